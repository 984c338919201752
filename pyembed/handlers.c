/* This file calls the signal handlers that applications register, in a process whose main thread serves no requests. Python itself only notes
 * that a signal came, and calls its handler when the main thread runs Python next, which may be never: so Python writes a byte into a pipe for
 * each signal, and whoever reads it sends the main thread here. */
#include "gw_py.h"

#include <unistd.h>

static int news_fd = -1; /* the write end; -1: nobody reads */

void gwp_handlers_watch(int fd)
{
    news_fd = fd;
    PySignal_SetWakeupFd(fd);
}

void gwp_handlers_forget(void)
{
    int fd;

    if (news_fd < 0)
        return;
    fd = PySignal_SetWakeupFd(-1);
    if (fd != news_fd) /* the application's own */
        PySignal_SetWakeupFd(fd);
    close(news_fd);
    news_fd = -1;
}

int gwp_handlers_call(void)
{
    int rv = PyErr_CheckSignals();

    if (gwp_forked) /* a handler forked, and this is the child: Go is out of reach */
        gwp_exit_forked_child(NULL);
    return rv;
}
