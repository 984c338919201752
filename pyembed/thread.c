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
    gwp_thread_disown(t);
    thread_here = NULL; /* another library may come here later, when it ends the thread's part of its own */
    free(t->slots);
    free(t->head.data);
    free(t->body.data);
    free(t->stderr_line.data);
    free(t);
}

static __thread sigset_t mask_at_fork;

/* No signal reaches a child before it has put away the server's handlers. */
static void before_fork(void)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask_at_fork);
}

static void after_fork_in_parent(void)
{
    pthread_sigmask(SIG_SETMASK, &mask_at_fork, NULL);
}

/* A child is no server: what the server does at its signals is not for it, and it is to be ended, and told of its own children, like any other
 * process, though the server's threads block nearly all signals. Where applications may have handlers of their own, setup.py tells
 * those apart. */
static void free_signals_in_child(void)
{
    static const int server_signals[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGWINCH};
    sigset_t none;

    for (size_t i = 0; gwp_process.restrict_signal && i < sizeof server_signals / sizeof *server_signals; i++)
        signal(server_signals[i], SIG_DFL);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void after_fork_in_child(void)
{
    gwp_forked = 1;
    free_signals_in_child();
    gwp_handlers_forget();
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
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
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
