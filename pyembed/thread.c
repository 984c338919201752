/* This file keeps what belongs to one OS thread: its Python thread states, its scratch memory, the request it serves. */
#include "gw_py.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile int gwp_forked;

static pthread_key_t thread_key;
static __thread gwp_thread *thread_here;
static long thread_count;

static void thread_free(void *arg)
{
    /* The thread states stay: they can only be cleared with the GIL, and gwp_interp_end() does that. */
    gwp_thread *t = arg;

    gwp_log_flush_thread(t);
    free(t->slots);
    free(t->head.data);
    free(t->body.data);
    free(t->stderr_line.data);
    free(t);
}

/* What httpd's children handle, and how they do. */
static struct {
    int sig;
    void (*handler)(int);
} server_signals[] = {{SIGHUP, 0}, {SIGINT, 0}, {SIGTERM, 0}, {SIGUSR1, 0}, {SIGWINCH, 0}};

#define SERVER_SIGNALS (sizeof server_signals / sizeof *server_signals)

static void remember_server_signals(void)
{
    struct sigaction action;

    for (size_t i = 0; i < SERVER_SIGNALS; i++)
        server_signals[i].handler = sigaction(server_signals[i].sig, NULL, &action) == 0 ? action.sa_handler : SIG_DFL;
}

/* A process that the application starts can be ended and told of its children like any other: it has neither the server's handlers,
 * unless the application put its own in place, nor the mask of the server's threads, which blocks nearly everything. */
static void free_signals_in_child(void)
{
    struct sigaction action;
    sigset_t none;

    for (size_t i = 0; i < SERVER_SIGNALS; i++)
        if (sigaction(server_signals[i].sig, NULL, &action) == 0 && action.sa_handler == server_signals[i].handler)
            signal(server_signals[i].sig, SIG_DFL);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void after_fork_in_child(void)
{
    gwp_forked = 1;
    free_signals_in_child();
    gwp_fork_keep_one();
    if (thread_here)
        thread_here->stderr_line.len = 0; /* the parent logs what it began */
}

/* A forked child that ends with exit(), which its last thread's end is as well, must not run Apache's exit functions. Those were
 * registered before this one and would come after it. */
static void end_forked_child(int status, void *unused)
{
    (void)unused;
    if (gwp_forked)
        _exit(status);
}

void gwp_thread_setup(void)
{
    pthread_key_create(&thread_key, thread_free);
    remember_server_signals();
    pthread_atfork(NULL, NULL, after_fork_in_child);
    on_exit(end_forked_child, NULL);
}

gwp_thread *gwp_thread_here(void)
{
    gwp_thread *t = thread_here;

    if (t)
        return t;
    t = calloc(1, sizeof *t);
    if (!t) {
        fputs("mod_gowsgi: out of memory for a thread's record\n", stderr);
        abort();
    }
    t->id = __atomic_add_fetch(&thread_count, 1, __ATOMIC_RELAXED);
    thread_here = t;
    pthread_setspecific(thread_key, t);
    return t;
}

int gwp_buffer_reserve(gwp_buffer *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 1024;
    char *data;

    if (b->cap - b->len >= more)
        return 0;
    while (cap - b->len < more) {
        if (cap > SIZE_MAX / 2)
            return -1;
        cap *= 2;
    }
    data = realloc(b->data, cap);
    if (!data)
        return -1;
    b->data = data;
    b->cap = cap;
    return 0;
}

int gwp_buffer_append(gwp_buffer *b, const char *data, size_t len)
{
    if (gwp_buffer_reserve(b, len) != 0)
        return -1;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}
