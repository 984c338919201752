/* This file takes requests from the queue of the group: connections to the one socket that all its workers listen on, where the kernel
 * keeps the order. Apache's side connects there when no worker has a free thread. A thread that gets free takes what has waited for
 * longest, before anything else; a worker that ends takes nobody along. */
#include "internal.h"

#include <pthread.h>
#include <unistd.h>

/* What epoll returns for the queue. */
char gwd_queue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards sockets; held around accept(), which does not wait */
static int current = -1;
static int before = -1;           /* the one that current took the place of: nobody new comes there */
static int open;                  /* a thread will be told when somebody comes */

int gwd_queue_start(int fd)
{
    if (gwd_listen_prepare(fd) != 0)
        return -1;
    pthread_mutex_lock(&lock);
    if (before >= 0)
        close(before);
    before = current;
    current = fd;
    pthread_mutex_unlock(&lock);
    gwd_poll_add(fd, &gwd_queue);
    __atomic_store_n(&open, 1, __ATOMIC_SEQ_CST);
    return 0;
}

void gwd_queue_abandon(void)
{
    if (current >= 0)
        close(current);
    if (before >= 0)
        close(before);
}

void gwd_queue_open(void)
{
    if (__atomic_load_n(&open, __ATOMIC_SEQ_CST) || __atomic_exchange_n(&open, 1, __ATOMIC_SEQ_CST) || !gwd_is_serving())
        return;
    pthread_mutex_lock(&lock);
    gwd_poll_again(current, &gwd_queue);
    if (before >= 0)
        gwd_poll_again(before, &gwd_queue);
    pthread_mutex_unlock(&lock);
}

static gwd_conn *accept_first(void)
{
    gwd_conn *conn = NULL;

    pthread_mutex_lock(&lock);
    if (before >= 0 && !(conn = gwd_listen_accept(before))) {
        close(before);
        before = -1;
    }
    if (!conn)
        conn = gwd_listen_accept(current);
    pthread_mutex_unlock(&lock);
    return conn;
}

gwd_conn *gwd_queue_take(void)
{
    gwd_conn *conn = gwd_is_serving() ? accept_first() : NULL;

    if (conn)
        conn->queued = 1;
    return conn;
}

gwd_conn *gwd_queue_come(void)
{
    gwd_conn *conn;

    __atomic_store_n(&open, 0, __ATOMIC_SEQ_CST);
    conn = gwd_queue_take();
    gwd_queue_open(); /* more may have come, for threads that are free as well */
    return conn;
}

void gwd_queue_leave(void)
{
    __atomic_store_n(&open, 0, __ATOMIC_SEQ_CST);
    if (!gwd_is_full())
        gwd_queue_open();
}
