/* This file is the threads of a worker: each takes connections that have something to say from one epoll set, and serves what they
 * ask for. A connection is armed for one event at a time (EPOLLONESHOT), so it belongs to one thread, and no request is handed from
 * one thread to another.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* How much longer than Apache's side this side waits for a frame, so that the side that knows more ends the exchange. */
#define GRACE_MS 2000

/* A thread that serves requests. */
typedef struct gwd_thread {
    pthread_mutex_t lock;         /* guards since and environ against gwd_running_of() */
    int64_t since;                /* of its request; 0: none */
    gowsgi_span environ;
    long tid;
    char *input;                  /* GWD_INPUT bytes */
    gwd_exchange exchange;
} gwd_thread;

gwd_config gwd_process;

static gwd_thread *threads;
static int epoll_fd = -1;
static int phase;                 /* gwd_phase */
static int in_flight;
static uint64_t admitted;         /* requests */

/* What epoll returns for the listening socket. */
static char listener;

int64_t gwd_monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The coarse clock costs nothing, and is that of CLOCK_MONOTONIC a few milliseconds ago. */
static void active_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    __atomic_store_n(&gwd_process.slot->active, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, __ATOMIC_RELAXED);
}

void gwd_touch(const gwd_exchange *x)
{
    if (!x->idle)
        active_now();
}

/* ---- Whether requests are taken ---- */

/* Tells Go. */
static int tell(gowsgi_exit_reason reason)
{
    unsigned char byte = (unsigned char)reason;

    return write(gwd_process.event_fd, &byte, 1) == 1 ? 0 : -1;
}

int gwd_retire(gowsgi_exit_reason reason)
{
    uint32_t ready = GOWSGI_WORKER_READY;
    int serving = GWD_SERVING;

    if (!__atomic_compare_exchange_n(&phase, &serving, GWD_RETIRED, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    __atomic_store_n(&gwd_process.slot->exit_reason, (uint32_t)reason, __ATOMIC_RELAXED);
    __atomic_compare_exchange_n(&gwd_process.slot->state, &ready, GOWSGI_WORKER_STALE, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (tell(reason) != 0)
        gwd_logf(GOWSGI_LOG_CRIT, "GWSGI1012: the worker cannot tell its own monitor that it is to be replaced; end it by hand: kill -9 "
                 "%d. This is a defect of mod_gowsgi, please report it", (int)getpid());
    return 1;
}

int gwd_is_serving(void)
{
    return __atomic_load_n(&phase, __ATOMIC_SEQ_CST) == GWD_SERVING;
}

int gwd_in_flight(void)
{
    return __atomic_load_n(&in_flight, __ATOMIC_SEQ_CST);
}

/* Counts a request in. Returns 0, or -1 when this process takes it no more. */
static int admit(const gwd_exchange *x)
{
    uint64_t number;

    if (__atomic_add_fetch(&in_flight, 1, __ATOMIC_SEQ_CST) >= gwd_process.threads)
        gwd_queue_watch();
    if (gwd_is_serving()) {
        number = __atomic_add_fetch(&admitted, 1, __ATOMIC_SEQ_CST);
        if (!gwd_process.maximum_requests || number <= gwd_process.maximum_requests) {
            if (number == gwd_process.maximum_requests)
                gwd_retire(GOWSGI_EXIT_MAXIMUM_REQUESTS);
            else if (gwd_process.milestone && number % gwd_process.milestone == 0)
                tell(GOWSGI_EXIT_NONE);
            __atomic_add_fetch(&gwd_process.slot->busy, 1, __ATOMIC_RELAXED);
            __atomic_store_n(&gwd_process.slot->requests, number, __ATOMIC_RELAXED);
            gwd_touch(x);
            return 0;
        }
    }
    __atomic_sub_fetch(&in_flight, 1, __ATOMIC_SEQ_CST);
    return -1;
}

static void dismiss(void)
{
    __atomic_sub_fetch(&gwd_process.slot->busy, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&in_flight, 1, __ATOMIC_SEQ_CST);
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

    if (!gwd_process.queue_timeout_us || now - r->sent_time <= gwd_process.queue_timeout_us)
        return 0;
    if (is_abandoned(t->exchange.conn))
        return 1;
    n = snprintf(text, sizeof text, "GWSGI1005: the request waited %.1f s for a free thread of its process group, longer than "
                 "queue-timeout=%lld allows; it is answered 504. More threads= or processes=, or a faster application, help",
                 (double)(now - r->sent_time) / 1e6, (long long)(gwd_process.queue_timeout_us / 1000000));
    gwd_host.log(&t->exchange, GOWSGI_LOG_ERR, (gowsgi_span){text, (size_t)n});
    return 1;
}

static gowsgi_outcome run(gwd_thread *t, const wire_request *r, int *status)
{
    int64_t now = wall_clock();
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
        .daemon_start = now,
        .flags = r->flags,
        .status = 500,
    };
    gowsgi_outcome outcome;

    if (waited_too_long(t, r, now)) {
        *status = 504;
        return GOWSGI_FAILED;
    }
    mark_running(t, gwd_monotonic(), r->environ);
    outcome = gwd_process.serve(&request);
    mark_running(t, 0, (gowsgi_span){NULL, 0});
    if (outcome == GOWSGI_RETRY)
        gwd_retire(GOWSGI_EXIT_RELOAD);
    *status = request.status;
    return outcome;
}

/* Serves a request that is there in full. Returns 0 when the connection may bring the next one, -1 when it is to be closed. */
static int serve(gwd_thread *t, gwd_conn *conn, gowsgi_span payload, uint8_t flags)
{
    wire_request r;
    gowsgi_outcome outcome;
    int status = 0, rv;

    if (wire_get_request(payload, &r) != 0)
        return -2;
    gwd_exchange_begin(&t->exchange, conn, &r, flags & WIRE_FLAG_BODY_COMPLETE);
    if (admit(&t->exchange) != 0)
        return gwd_conn_retry(conn, WIRE_RETRY_STOPPING);
    outcome = run(t, &r, &status);
    rv = gwd_exchange_end(&t->exchange, outcome, status);
    dismiss();
    return rv;
}

/* ---- A connection that has something to say ---- */

static int send_back(gwd_conn *conn)
{
    return gwd_conn_retry(conn, gwd_is_serving() ? WIRE_RETRY_BUSY : WIRE_RETRY_STOPPING);
}

/* t is NULL for a request that is to be sent back. Returns as serve(), or 1 when there is no whole request yet. */
static int handle(gwd_thread *t, gwd_conn *conn, char *input)
{
    const char *data;
    wire_frame frame;
    int rv = gwd_conn_receive(conn, input, &frame, &data);

    if (rv == 0)
        return 1;
    if (rv == 1) {
        rv = t ? serve(t, conn, (gowsgi_span){data + WIRE_HEAD, frame.length}, frame.flags) : send_back(conn);
        free(conn->partial.data);
        conn->partial = (gowsgi_buffer){NULL, 0, 0};
    }
    if (rv == -2)
        gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1001: a peer on the group's socket sent what is no request of mod_gowsgi's; its "
                        "connection was closed. If httpd runs another mod_gowsgi.so than this process, restart it");
    return rv;
}

static void arm(int op, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.ptr = what}};

    if (epoll_ctl(epoll_fd, op, fd, &event) != 0)
        gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1003: the worker cannot wait for a connection: %s. Raise the limit that this names, or find "
                        "what uses it up", strerror(errno));
}

/* ---- New connections ---- */

static int is_allowed(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return 0;
    if (peer.uid == gwd_process.peer_uid || peer.uid == 0)
        return 1;
    gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1004: a process of uid %d (pid %d) connected to the group's socket and was refused: only "
                    "httpd's user (uid %d) may. Find out what that process is", (int)peer.uid, (int)peer.pid, (int)gwd_process.peer_uid);
    return 0;
}

static void set_option(int fd, int option, int value)
{
    if (value)
        setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
}

static void set_timeout(int fd, int option, int ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (gwd_process.socket_timeout_ms)
        setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
}

static void adopt(int fd)
{
    gwd_conn *conn = is_allowed(fd) ? gwd_conn_new(fd) : NULL;

    if (!conn) {
        close(fd);
        return;
    }
    set_option(fd, SO_RCVBUF, gwd_process.receive_buffer);
    set_option(fd, SO_SNDBUF, gwd_process.send_buffer);
    set_timeout(fd, SO_RCVTIMEO, gwd_process.socket_timeout_ms + GRACE_MS);
    set_timeout(fd, SO_SNDTIMEO, gwd_process.socket_timeout_ms + GRACE_MS);
    arm(EPOLL_CTL_ADD, fd, conn);
}

static void accept_all(void)
{
    struct timespec pause = {0, 100000000};
    int fd;

    for (;;) {
        fd = accept4(gwd_process.listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            adopt(fd);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR && errno != ECONNABORTED) {
            gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1003: the worker cannot accept a connection: %s; it tries again. "
                            "Raise the limit that this names, or find what uses it up", strerror(errno));
            nanosleep(&pause, NULL);
            break;
        }
    }
    arm(EPOLL_CTL_MOD, gwd_process.listen_fd, &listener);
}

/* ---- What there is to do ---- */

/* The next connection that has something to say; NULL: there was none within so many milliseconds (-1: any time). New ones are accepted
 * meanwhile. */
static gwd_conn *next_conn(int ms)
{
    struct epoll_event event;

    while (epoll_wait(epoll_fd, &event, 1, ms) == 1) {
        if (event.data.ptr != &listener)
            return event.data.ptr;
        accept_all();
    }
    return NULL;
}

/* After handle(). */
static void release(gwd_conn *conn, int rv)
{
    if (rv < 0)
        gwd_conn_close(conn);
    else
        arm(EPOLL_CTL_MOD, conn->fd, conn);
}

static void *thread_main(void *arg)
{
    gwd_thread *t = arg;
    gwd_conn *conn;

    t->tid = (long)gettid();
    for (;;) {
        conn = next_conn(-1);
        if (conn)
            release(conn, handle(t, conn, t->input));
    }
    return NULL;
}

int gwd_send_back(void)
{
    static char input[GWD_INPUT];
    gwd_conn *conn;
    int rv = -1;

    while (rv != 0 && (conn = next_conn(0))) {
        rv = handle(NULL, conn, input);
        release(conn, rv);
    }
    return rv == 0;
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

int gwd_start(const gwd_config *config, const char **why)
{
    gwd_process = *config;
    *why = "its listening socket cannot be used";
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || fcntl(config->listen_fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(config->listen_fd, F_SETFD, FD_CLOEXEC) != 0)
        return -1;
    *why = "its threads cannot be started";
    threads = calloc((size_t)config->threads, sizeof *threads);
    if (!threads)
        return -1;
    active_now();
    __atomic_store_n(&phase, GWD_SERVING, __ATOMIC_SEQ_CST);
    errno = gwd_queue_start();
    if (errno)
        return -1;
    for (int i = 0; i < config->threads; i++) {
        errno = start_thread(&threads[i]);
        if (errno)
            return -1;
    }
    arm(EPOLL_CTL_ADD, config->listen_fd, &listener);
    return 0;
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
    if (epoll_fd >= 0) {
        close(epoll_fd);
        close(gwd_process.listen_fd);
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
