/* This file keeps httpd's signal handlers off Go's threads and off Go's stacks.
 *
 * A C thread that has been in Go once keeps Go's small alternate signal stack. Handlers with SA_ONSTACK then run there, which they
 * must, since the signal may find the thread on a goroutine's stack. It does for a handler that sets a flag. The handler with which
 * prefork ends a child, however, runs all of the child's clean-up, Python's and Go's included, and never returns; Go takes that
 * for a signal handler and crashes. Such handlers are moved on to a stack of their own. */
#include "gw_signals.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

/* As large as a main thread's stack usually is; pages count when they are used. */
#define END_STACK_SIZE (8 * 1024 * 1024)

/* Go needs its own handlers for these: faults of Go code become panics, and SIGURG preempts goroutines. It hands on what is
 * not its own to the handler it found, so httpd still notes where a child crashed, and dumps core where told to. */
static int is_kept_by_go(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGURG;
}

static int is_function(const struct sigaction *action)
{
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* ---- Handlers that end the process ---- */

/* httpd's handlers for the signals that can end a child. Written before the signals are let in. */
static void (*end_handlers[NSIG])(int sig);
static void *end_stack;
static ucontext_t end_context, interrupted_context;

/* Runs httpd's handler on end_stack. If it does return, so does this. */
static void end_elsewhere(int sig)
{
    getcontext(&end_context);
    end_context.uc_stack.ss_sp = end_stack;
    end_context.uc_stack.ss_size = END_STACK_SIZE;
    end_context.uc_link = &interrupted_context;
    makecontext(&end_context, (void (*)(void))end_handlers[sig], 1, sig);
    swapcontext(&interrupted_context, &end_context);
}

static void move_end_handler(int sig, struct sigaction *action)
{
    if ((sig != SIGTERM && sig != SIGHUP) || !is_function(action) || (action->sa_flags & SA_SIGINFO))
        return;
    if (!end_stack) {
        void *memory = mmap(NULL, END_STACK_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED)
            return;
        end_stack = memory;
    }
    end_handlers[sig] = action->sa_handler;
    action->sa_handler = end_elsewhere;
    /* One of them at a time: they share the stack. */
    sigaddset(&action->sa_mask, SIGTERM);
    sigaddset(&action->sa_mask, SIGHUP);
}

/* ---- Before and after Go starts ---- */

void gw_signals_hold(gw_signals *saved)
{
    sigset_t all;

    for (int sig = 1; sig < NSIG; sig++)
        if (sigaction(sig, NULL, &saved->handlers[sig]) != 0)
            saved->handlers[sig] = (struct sigaction){ .sa_handler = SIG_DFL };
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved->mask);
}

void gw_signals_release(gw_signals *saved)
{
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction *httpds = &saved->handlers[sig], now;

        if (is_kept_by_go(sig) || sigaction(sig, NULL, &now) != 0)
            continue;
        move_end_handler(sig, httpds);
        if (is_function(httpds))
            httpds->sa_flags |= SA_ONSTACK;
        if (now.sa_handler != httpds->sa_handler || now.sa_flags != httpds->sa_flags)
            sigaction(sig, httpds, NULL);
    }
    pthread_sigmask(SIG_SETMASK, &saved->mask, NULL);
}

void gw_signals_use_stack(void)
{
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction now;

        if (sigaction(sig, NULL, &now) != 0 || !is_function(&now) || (now.sa_flags & SA_ONSTACK))
            continue;
        now.sa_flags |= SA_ONSTACK;
        sigaction(sig, &now, NULL);
    }
}
