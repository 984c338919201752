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

#define TICK_MS 5                 /* between two looks while requests are taken */
#define STUCK_TICK_MS 1           /* while none are: the worker that gets free next is to be noticed before it is found by others */
#define FASTER 4                  /* times its threads: requests that another worker takes while this one takes none */
#define REST 200                  /* after so many looks at a free thread the watch is over */

static sem_t full;
static int watching;
static int stuck;                 /* all threads were at work at the look before, too, and took nothing */
static uint64_t own_taken, *taken; /* requests that this worker, and each of its group, had taken when it was not stuck last */

static uint32_t load(const uint32_t *shared)
{
    return __atomic_load_n(shared, __ATOMIC_RELAXED);
}

static uint64_t taken_by(const gowsgi_worker_slot *slot)
{
    return __atomic_load_n(&slot->requests, __ATOMIC_RELAXED);
}

static int is_full(void)
{
    return gwd_in_flight() >= gwd_process.threads;
}

static void note_taken(void)
{
    own_taken = taken_by(gwd_process.slot);
    for (int i = 0; i < gwd_process.group_slot_count; i++)
        taken[i] = taken_by(&gwd_process.group_slots[i]);
}

/* Whether a request would be better off at a worker: a thread is free there, or they are so much faster that the place which it loses
 * here does not matter. */
static int is_better(const gowsgi_worker_slot *slot, uint64_t before)
{
    uint32_t threads = load(&slot->threads);

    return slot != gwd_process.slot && load(&slot->state) == GOWSGI_WORKER_READY
           && (load(&slot->busy) < threads || taken_by(slot) - before >= (uint64_t)FASTER * threads);
}

/* Whether a request that waits here had better go to another worker. */
static int look(void)
{
    stuck = is_full() && taken_by(gwd_process.slot) == own_taken;
    if (!stuck) {
        note_taken();
        return 0;
    }
    for (int i = 0; i < gwd_process.group_slot_count; i++)
        if (is_better(&gwd_process.group_slots[i], taken[i]))
            return 1;
    return !gwd_is_serving();
}

static void watch(void)
{
    note_taken();
    for (int rest = 0; rest < REST; rest++) {
        struct timespec tick = {0, (stuck ? STUCK_TICK_MS : TICK_MS) * 1000000};
        nanosleep(&tick, NULL);
        if (is_full())
            rest = 0;
        if (look() && gwd_send_back())
            gwd_logf(GOWSGI_LOG_DEBUG, "all threads of this process are at work: a request goes to another one");
    }
}

void gwd_queue_watch(void)
{
    if (!__atomic_load_n(&watching, __ATOMIC_SEQ_CST) && !__atomic_exchange_n(&watching, 1, __ATOMIC_SEQ_CST))
        sem_post(&full);
}

static void *queue_main(void *arg)
{
    for (;;) {
        while (sem_wait(&full) != 0)
            continue;
        watch();
        __atomic_store_n(&watching, 0, __ATOMIC_SEQ_CST);
        if (is_full())
            gwd_queue_watch(); /* nobody told of it as long as the watch lasted */
    }
    return arg;
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
