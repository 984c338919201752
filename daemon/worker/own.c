/* This file listens on the worker's own socket, to which Apache's side connects to send requests straight to this worker. Connections
 * stay open for many requests. */
#include "internal.h"

#include <pthread.h>
#include <unistd.h>

/* What epoll returns for the socket. */
char gwd_own;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards listener; held around accept(), which does not wait */
static int listener = -1;

static void accept_all(void)
{
    gwd_conn *conn;

    while (listener >= 0 && (conn = gwd_listen_accept(listener)))
        gwd_poll_release(conn, 0);
}

int gwd_own_start(int fd)
{
    if (gwd_listen_prepare(fd) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    accept_all();
    if (listener >= 0)
        close(listener);
    listener = fd;
    gwd_poll_add(fd, &gwd_own);
    pthread_mutex_unlock(&lock);
    return 0;
}

void gwd_own_come(void)
{
    pthread_mutex_lock(&lock);
    accept_all();
    gwd_poll_again(listener, &gwd_own);
    pthread_mutex_unlock(&lock);
}

void gwd_own_abandon(void)
{
    if (listener >= 0)
        close(listener);
}
