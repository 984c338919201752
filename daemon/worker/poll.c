/* This file is the epoll set of a worker: connections that wait for their next request, and sockets that wait for connections. What
 * is in it is armed for one event at a time (EPOLLONESHOT), so whatever has something to say belongs to one thread, and nothing is
 * handed from one thread to another. */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static int epoll_fd = -1;

int gwd_poll_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd < 0 ? -1 : 0;
}

void gwd_poll_close(void)
{
    if (epoll_fd >= 0)
        close(epoll_fd);
}

static void control(int op, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.ptr = what}};

    if (epoll_ctl(epoll_fd, op, fd, &event) != 0)
        gwd_logf_seldom(GOWSGI_LOG_ERR, "GWSGI1003: the worker cannot wait for a connection: %s. Raise the limit that this names, or find "
                        "what uses it up", strerror(errno));
}

void gwd_poll_add(int fd, void *what)
{
    control(EPOLL_CTL_ADD, fd, what);
}

void gwd_poll_again(int fd, void *what)
{
    control(EPOLL_CTL_MOD, fd, what);
}

void *gwd_poll_wait(void)
{
    struct epoll_event event;

    while (epoll_wait(epoll_fd, &event, 1, -1) != 1)
        continue;
    return event.data.ptr;
}

void gwd_poll_release(gwd_conn *conn, int rv)
{
    int op;

    if (rv < 0) {
        gwd_conn_close(conn);
        return;
    }
    op = conn->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    conn->polled = 1; /* before another thread can have it */
    control(op, conn->fd, conn);
}
