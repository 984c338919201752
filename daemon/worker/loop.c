/* This file is the threads of a worker: each takes what has waited for longest, and serves it. */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long a thread that took a connection off the queue waits for the request on it, which follows at once. */
#define FOLLOWS_MS 100

/* A thread that serves requests. */
typedef struct gwd_thread {
    pthread_mutex_t lock;         /* guards since and environ against gwd_running_of() */
    int64_t since;                /* of its request; 0: none */
    gowsgi_span environ;
    long tid;
    int counted;                  /* as one that has a request, though it may just have ended: it looks for the next in the queue */
    char *input;                  /* GWD_INPUT bytes */
    gwd_exchange exchange;
} gwd_thread;

static gwd_thread *threads;

void gwd_touch(const gwd_exchange *x)
{
    if (!x->idle)
        gwd_active();
}

/* ---- A request ---- */

static void mark_running(gwd_thread *t, int64_t since, gowsgi_span environ)
{
    pthread_mutex_lock(&t->lock);
    t->since = since;
    t->environ = environ;
    pthread_mutex_unlock(&t->lock);
}

/* Whether Apache's side waits no more. */
static int is_abandoned(const gwd_conn *conn)
{
    char byte;

    return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Apache's side, too, keeps the limit, and says so, when no thread here has received the request by then. */
static int waited_too_long(gwd_thread *t, const wire_request *r, int64_t now)
{
    char text[256];
    int n;

    if (!gwd_process.queue_timeout_us || now - r->waiting_since <= gwd_process.queue_timeout_us)
        return 0;
    if (is_abandoned(t->exchange.conn))
        return 1;
    n = snprintf(text, sizeof text, "GWSGI1005: the request waited %.1f s for a free thread of its process group, longer than "
                 "queue-timeout=%lld allows; it is answered 504. More threads= or processes=, or a faster application, help",
                 (double)(now - r->waiting_since) / 1e6, (long long)(gwd_process.queue_timeout_us / 1000000));
    gwd_host.log(&t->exchange, GOWSGI_LOG_ERR, (gowsgi_span){text, (size_t)n});
    return 1;
}

static gowsgi_outcome run(gwd_thread *t, const wire_request *r, int *status)
{
    const int64_t now = gwd_monotonic();
    gowsgi_request request = {
        .size = sizeof request,
        .host = &gwd_host,
        .host_ctx = &t->exchange,
        .environ = r->environ,
        .script = r->script,
        .app_group = r->app_group,
        .callable = r->callable,
        .script_mtime = r->script_mtime,
        .start_time = r->start_time,
        .queue_start = r->sent_time,
        .daemon_start = gwd_wall_clock(),
        .flags = r->flags,
        .status = 500,
    };
    gowsgi_outcome outcome;

    if (waited_too_long(t, r, now)) {
        *status = 504;
        return GOWSGI_FAILED;
    }
    mark_running(t, now, r->environ);
    outcome = gwd_process.serve(&request);
    mark_running(t, 0, (gowsgi_span){NULL, 0});
    if (outcome == GOWSGI_RETRY)
        gwd_retire(GOWSGI_EXIT_RELOAD);
    *status = request.status;
    return outcome;
}

/* The thread is free. */
static void leave(gwd_thread *t)
{
    t->counted = 0;
    gwd_dismiss();
    gwd_finish(-1);
    gwd_queue_open();
}

static int admit(gwd_thread *t, const gwd_exchange *x)
{
    int before = t->counted;

    t->counted = (before ? gwd_admit_next() : gwd_admit()) == 0;
    if (before)
        gwd_finish(-1);
    if (!t->counted)
        return 0;
    gwd_touch(x);
    if (gwd_is_stuck())
        gwd_doorman_call();
    return 1;
}

/* Serves a request that is there in full. Returns 0 when the connection may bring the next one, -1 when it is to be closed. */
static int serve(gwd_thread *t, gwd_conn *conn, gowsgi_span payload, uint8_t flags)
{
    wire_request r;
    gowsgi_outcome outcome;
    int status = 0, rv;

    if (wire_get_request(payload, &r) != 0)
        return gwd_conn_refuse();
    gwd_exchange_begin(&t->exchange, conn, &r, flags & WIRE_FLAG_BODY_COMPLETE);
    if (!admit(t, &t->exchange))
        return gwd_conn_retry(conn, WIRE_RETRY_STOPPING);
    outcome = run(t, &r, &status);
    gwd_exchange_finish(&t->exchange);
    rv = gwd_exchange_end(&t->exchange, outcome, status);
    if (!gwd_is_full())
        leave(t); /* nobody queues while a thread is free */
    return rv;
}

/* ---- What comes next ---- */

/* While all threads are at work, others count this one in until it has found the queue empty: so nobody overtakes those who wait there. */
static gwd_conn *next_conn(gwd_thread *t)
{
    gwd_conn *conn = t->counted ? gwd_queue_take() : NULL;

    if (t->counted && !conn)
        leave(t);
    while (!conn) {
        void *what = gwd_poll_wait();
        if (what == &gwd_own)
            gwd_own_come();
        else
            conn = what == &gwd_queue ? gwd_queue_come() : what;
    }
    return conn;
}

/* One of the queue brings a single request: Apache's side does not know which worker it led to. */
static void handle(gwd_thread *t, gwd_conn *conn)
{
    gowsgi_span payload;
    uint8_t flags;
    int rv;

    if (conn->queued && !conn->polled)
        gwd_conn_await(conn, FOLLOWS_MS);
    rv = gwd_conn_receive(conn, t->input, &payload, &flags);
    if (rv == 1) {
        rv = conn->queued && is_abandoned(conn) ? -1 : serve(t, conn, payload, flags);
        gwd_conn_forget(conn);
        if (conn->queued)
            rv = -1;
    }
    gwd_poll_release(conn, rv);
}

static void *thread_main(void *arg)
{
    gwd_thread *t = arg;

    t->tid = (long)gettid();
    for (;;)
        handle(t, next_conn(t));
    return NULL;
}

/* ---- Threads ---- */

static int start_thread(gwd_thread *t)
{
    pthread_attr_t attributes;
    pthread_t id;
    int rv;

    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->exchange.log_lock, NULL);
    t->input = malloc(GWD_INPUT);
    if (!t->input)
        return ENOMEM;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    rv = gwd_process.stack_size ? pthread_attr_setstacksize(&attributes, gwd_process.stack_size) : 0;
    if (rv == 0)
        rv = pthread_create(&id, &attributes, thread_main, t);
    pthread_attr_destroy(&attributes);
    return rv;
}

static int start_threads(int count)
{
    threads = calloc((size_t)count, sizeof *threads);
    errno = threads ? gwd_doorman_start() : ENOMEM;
    for (int i = 0; i < count && errno == 0; i++)
        errno = start_thread(&threads[i]);
    return errno ? -1 : 0;
}

int gwd_start(const gwd_config *config, const char **why)
{
    gwd_process = *config;
    *why = "its threads cannot be started";
    if (gwd_poll_open() != 0)
        return -1;
    gwd_admission_begin();
    if (start_threads(config->threads) != 0)
        return -1;
    *why = "its listening sockets cannot be used";
    return gwd_own_start(config->listen_fd) == 0 && gwd_queue_start(config->queue_fd) == 0 ? 0 : -1;
}

void gwd_running_of(int index, gwd_running *out)
{
    gwd_thread *t = &threads[index];

    pthread_mutex_lock(&t->lock);
    out->since = t->since;
    out->what[0] = '\0';
    if (t->since) {
        out->tid = t->tid;
        gwd_describe(t->environ, out->what, sizeof out->what);
    }
    pthread_mutex_unlock(&t->lock);
}

/* ---- The process ---- */

/* An application's forked child must not keep open what this process closes: Apache's side would wait for its end. */
static void abandon_in_child(void)
{
    gwd_conn_abandon();
    gwd_conn_unlock();
    if (threads) {
        gwd_poll_close();
        gwd_own_abandon();
        gwd_queue_abandon();
        close(gwd_process.event_fd);
    }
    if (gwd_process.control_fd >= 0)
        close(gwd_process.control_fd);
}

void gwd_prepare(void)
{
    gwd_process.control_fd = -1;
    signal(SIGPIPE, SIG_IGN); /* as in httpd: a write to a socket that is closed is an error, not a death */
    pthread_atfork(gwd_conn_lock, gwd_conn_unlock, abandon_in_child);
}
