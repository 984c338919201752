/* This file shows where the threads of Python are, also when nobody can get the GIL.
 *
 * faulthandler is the one public part of Python that can do so in every version: told to (faulthandler.register), it writes the stacks
 * of all threads from within a signal's handler, without any lock. Which threads it shows is decided by the thread that the signal
 * finds: those of the interpreter that this one's state belongs to. So each interpreter gets a thread for the purpose, which sends the
 * signal to itself. No other thread has the signal unblocked for long enough to notice. */
#define _GNU_SOURCE
#include "gw_py.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How long a thread may take that asks for no lock but those that guard lists for some instructions. */
#define AT_ONCE_MS 2000

#define MAX_THREADS 100           /* as many as faulthandler shows */

static gwp_interp *interps; /* linked by next; only ever added to */
static int stacks_fd = -1;
static int stacks_signal;

void gwp_interp_announce(gwp_interp *interp)
{
    interp->next = __atomic_load_n(&interps, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&interps, &interp->next, interp, 0, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
        ;
}

gwp_interp *gwp_interp_latest(void)
{
    return __atomic_load_n(&interps, __ATOMIC_ACQUIRE);
}

/* ---- Telling faulthandler ---- */

/* A signal that nobody uses. A program written in Go has a handler for each, and no use for these. */
static int free_signal(void)
{
    struct sigaction now;
    int sig = SIGRTMAX - 1;

    while (sig > SIGRTMIN && sigaction(sig, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
        sig--;
    return sig > SIGRTMIN ? sig : SIGRTMAX - 1;
}

/* The memory that faulthandler writes to: where it is asked to show stacks it cannot be told a place. */
static int memory_file(void)
{
    return (int)syscall(SYS_memfd_create, "python-stacks", 1 /* MFD_CLOEXEC */);
}

int gwp_stacks_prepare(void)
{
    PyObject *module = PyImport_ImportModule("faulthandler"), *done = NULL;
    int sig = free_signal(), fd = memory_file();

    if (module && fd >= 0)
        done = PyObject_CallMethod(module, "register", "iiii", sig, fd, 1 /* all threads */, 0 /* nobody else is called */);
    Py_XDECREF(module);
    if (!done) {
        PyErr_Clear();
        if (fd >= 0)
            close(fd);
        return -1;
    }
    Py_DECREF(done);
    stacks_fd = fd;
    stacks_signal = sig;
    return 0;
}

/* ---- A thread for an interpreter ---- */

/* What the thread is to do. It belongs to who asked and to the thread, whoever comes last. */
typedef struct errand {
    PyInterpreterState *python;
    int with_gil;
    int given_up;                 /* nobody waits for it any more */
    int owners;
    sem_t done;
} errand;

static void errand_release(errand *e)
{
    if (__atomic_sub_fetch(&e->owners, 1, __ATOMIC_ACQ_REL) == 0) {
        sem_destroy(&e->done);
        free(e);
    }
}

static void signal_to_oneself(void)
{
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, stacks_signal);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    pthread_kill(pthread_self(), stacks_signal); /* it is there before this returns */
    pthread_sigmask(SIG_BLOCK, &one, NULL);
}

static void end_state(PyThreadState *ts)
{
    PyThreadState_Clear(ts);
    PyThreadState_DeleteCurrent();
}

/* Without the GIL, the thread then waits for it, if need be for ever: Python must not find the state of a thread that is no more. */
static void *errand_main(void *arg)
{
    errand *e = arg;
    PyThreadState *ts = PyThreadState_New(e->python); /* this thread's only one: so it is the one that faulthandler finds */
    int with_gil = e->with_gil;

    if (ts && with_gil)
        PyEval_RestoreThread(ts);
    if (ts && !__atomic_load_n(&e->given_up, __ATOMIC_ACQUIRE))
        signal_to_oneself();
    if (ts && with_gil)
        end_state(ts);
    sem_post(&e->done);
    errand_release(e);
    if (ts && !with_gil) {
        PyEval_RestoreThread(ts);
        end_state(ts);
    }
    return NULL;
}

/* Whether the semaphore was raised within so many milliseconds. */
static int comes(sem_t *done, long ms)
{
    struct timespec end;
    int rv;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    do
        rv = sem_clockwait(done, CLOCK_MONOTONIC, &end);
    while (rv != 0 && errno == EINTR);
    return rv == 0;
}

/* Starts the thread with all signals blocked, as threads of this process are. */
static int start(errand *e)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t id;
    int rv;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = pthread_create(&id, &attributes, errand_main, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rv;
}

/* Returns whether the thread was through in time. */
static int send_thread(gwp_interp *interp, int with_gil, long ms)
{
    errand *e = calloc(1, sizeof *e);
    int in_time;

    if (!e)
        return 0;
    *e = (errand){.python = interp->python, .with_gil = with_gil, .owners = 2};
    sem_init(&e->done, 0, 0);
    if (start(e) != 0) {
        e->owners = 1;
        errand_release(e);
        return 0;
    }
    in_time = comes(&e->done, ms);
    __atomic_store_n(&e->given_up, 1, __ATOMIC_RELEASE);
    errand_release(e);
    return in_time;
}

/* ---- Showing ---- */

int gwp_stacks_begin(void)
{
    if (stacks_fd < 0 || ftruncate(stacks_fd, 0) != 0 || lseek(stacks_fd, 0, SEEK_SET) != 0)
        return -1;
    return stacks_fd;
}

int gwp_stacks_show(gwp_interp *interp, long patience_ms)
{
    if (dprintf(stacks_fd, "application group '%s':\n", interp->name) < 0)
        return -1;
    if (patience_ms > 0 && send_thread(interp, 1, patience_ms))
        return 1;
    return send_thread(interp, 0, AT_ONCE_MS) ? 0 : -1;
}

/* ---- While Python starts ---- */

/* Then nobody could be told yet. CPython 3.15 has a function for that; some before have one for themselves. */
#if PY_VERSION_HEX >= 0x030F0000
static int dump(int fd, PyInterpreterState *python)
{
    PyUnstable_DumpTracebackThreads(fd, python, NULL, MAX_THREADS);
    return 0;
}
#else
extern __attribute__((weak)) const char *_Py_DumpTracebackThreads(int fd, PyInterpreterState *interp, PyThreadState *current);

static int dump(int fd, PyInterpreterState *python)
{
    if (!_Py_DumpTracebackThreads)
        return -1;
    _Py_DumpTracebackThreads(fd, python, NULL);
    return 0;
}
#endif

int gwp_stacks_of_start(int fd)
{
    PyInterpreterState *main_python = PyInterpreterState_Main();

    return main_python ? dump(fd, main_python) : 0;
}
