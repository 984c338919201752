/* This file watches what waits for a thread. A request is sent to the worker that has the least to do, and then is bound to it; when all
 * threads there turn out to be slow while another worker gets on, it is sent back to Apache's side, which chooses again.
 *
 * A thread of its own looks again and again while all others are at work. It is no goroutine: Go's scheduler takes many times the
 * processor time of such a look to make one.
 */
#include "internal.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS 5                 /* between two looks */
#define REST 200                  /* after so many looks at a free thread the watch is over */
#define MOST 16                   /* requests are sent back at once: the other workers, too, are to get on */

static sem_t full;
static int watching;
static uint64_t own_taken, *taken; /* requests that this worker, and each of its group, had taken at the last look */

static uint64_t taken_by(const gowsgi_worker_slot *slot)
{
    return __atomic_load_n(&slot->requests, __ATOMIC_RELAXED);
}

/* Whether a worker could take a request: one of its threads is free, or was since the last look. */
static int gets_on(const gowsgi_worker_slot *slot, uint64_t *before)
{
    uint64_t now = taken_by(slot);
    int moved = now != *before;

    *before = now;
    return __atomic_load_n(&slot->state, __ATOMIC_RELAXED) == GOWSGI_WORKER_READY
           && (moved || __atomic_load_n(&slot->busy, __ATOMIC_RELAXED) < __atomic_load_n(&slot->threads, __ATOMIC_RELAXED));
}

static int is_full(void)
{
    return gwd_in_flight() >= gwd_process.threads;
}

/* Whether requests that wait here had better go to another worker: none was taken since the last look, and none will be at all, or
 * another worker would have taken one. */
static int look(void)
{
    uint64_t before = own_taken;
    int better = !gwd_is_serving();

    own_taken = taken_by(gwd_process.slot);
    for (int i = 0; i < gwd_process.group_slot_count; i++)
        if (&gwd_process.group_slots[i] != gwd_process.slot)
            better |= gets_on(&gwd_process.group_slots[i], &taken[i]);
    return better && own_taken == before && is_full();
}

static void watch(void)
{
    struct timespec tick = {0, TICK_MS * 1000000};
    int count;

    look();
    for (int rest = 0; rest < REST; rest++) {
        nanosleep(&tick, NULL);
        if (is_full())
            rest = 0;
        count = look() ? gwd_send_back(MOST) : 0;
        if (count)
            gwd_logf(GOWSGI_LOG_DEBUG, "all threads of this process are at work: %d requests go to another one", count);
    }
}

static void *queue_main(void *arg)
{
    for (;;) {
        while (sem_wait(&full) != 0)
            continue;
        do {
            watch();
            __atomic_store_n(&watching, 0, __ATOMIC_SEQ_CST);
        } while (is_full() && !__atomic_exchange_n(&watching, 1, __ATOMIC_SEQ_CST));
    }
    return arg;
}

void gwd_queue_watch(void)
{
    if (!__atomic_load_n(&watching, __ATOMIC_SEQ_CST) && !__atomic_exchange_n(&watching, 1, __ATOMIC_SEQ_CST))
        sem_post(&full);
}

int gwd_queue_start(void)
{
    pthread_t id;
    int rv;

    taken = calloc((size_t)gwd_process.group_slot_count, sizeof *taken);
    if (!taken || sem_init(&full, 0, 0) != 0)
        return errno;
    rv = pthread_create(&id, NULL, queue_main, NULL);
    if (rv == 0)
        pthread_detach(id);
    return rv;
}
