/* This file shows where the threads of Python are, for a process that is stuck. */
#include "gw_py.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* CPython has this for its faulthandler, among the symbols that it exports but declares for itself only. */
extern __attribute__((weak)) const char *_Py_DumpTracebackThreads(int fd, PyInterpreterState *interp, PyThreadState *current);

static gwp_interp *interps; /* linked by next; only ever added to */

void gwp_interp_announce(gwp_interp *interp)
{
    interp->next = __atomic_load_n(&interps, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&interps, &interp->next, interp, 0, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
        ;
}

static int put(int fd, const char *text)
{
    return write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

int gwp_stacks_dump(int fd, int has_gil)
{
    PyThreadState *current = has_gil ? PyThreadState_Get() : NULL;

    if (!_Py_DumpTracebackThreads)
        return -1;
    if (!__atomic_load_n(&interps, __ATOMIC_ACQUIRE) && PyInterpreterState_Main()) /* which is not ours yet: Python starts */
        _Py_DumpTracebackThreads(fd, PyInterpreterState_Main(), current);
    for (gwp_interp *i = __atomic_load_n(&interps, __ATOMIC_ACQUIRE); i; i = i->next) {
        if (i->ended)
            continue;
        if (put(fd, "application group '") != 0 || put(fd, i->name) != 0 || put(fd, "':\n") != 0)
            return -1;
        _Py_DumpTracebackThreads(fd, i->python, current);
        put(fd, "\n");
    }
    return 0;
}
