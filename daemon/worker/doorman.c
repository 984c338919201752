/* This file keeps a request from being bound to a worker that has no free thread for it. Two processes of Apache may send one each when
 * they see the same last free thread. The one that comes second goes back at once (RETRY, BUSY), and to the group's queue.
 *
 * The doorman is a thread that runs no requests, and sleeps while another is free. It is no goroutine: Go's scheduler takes many times
 * the processor time to wake one. */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t called;
static int on_duty;

static void send_back(gwd_conn *conn, char *input)
{
    gowsgi_span payload;
    uint8_t flags;
    int rv = gwd_conn_receive(conn, input, &payload, &flags);

    if (rv == 1) {
        rv = gwd_conn_retry(conn, gwd_is_serving() ? WIRE_RETRY_BUSY : WIRE_RETRY_STOPPING);
        gwd_conn_forget(conn);
    }
    gwd_poll_release(conn, rv);
}

/* Sees to one arrival. Returns whether he is still needed: a thread that is just finishing will look for itself. */
static int attend(char *input)
{
    void *what = gwd_poll_wait();

    if (what == &gwd_own)
        gwd_own_come();
    else if (what == &gwd_queue)
        gwd_queue_leave();
    else if (gwd_is_stuck())
        send_back(what, input);
    else
        gwd_poll_release(what, 0); /* for the thread that is free meanwhile, or will be */
    return gwd_is_stuck();
}

void gwd_doorman_call(void)
{
    if (!__atomic_load_n(&on_duty, __ATOMIC_SEQ_CST) && !__atomic_exchange_n(&on_duty, 1, __ATOMIC_SEQ_CST))
        sem_post(&called);
}

static void *doorman_main(void *arg)
{
    static char input[GWD_INPUT];

    for (;;) {
        while (sem_wait(&called) != 0)
            continue;
        while (attend(input))
            continue;
        __atomic_store_n(&on_duty, 0, __ATOMIC_SEQ_CST);
        if (gwd_is_stuck())
            gwd_doorman_call(); /* nobody did as long as he was on duty */
    }
    return arg;
}

int gwd_doorman_start(void)
{
    pthread_t id;
    int rv = sem_init(&called, 0, 0) == 0 ? pthread_create(&id, NULL, doorman_main, NULL) : errno;

    if (rv == 0)
        pthread_detach(id);
    return rv;
}
