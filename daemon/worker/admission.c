/* This file counts the requests of a worker in and out, and decides when it takes no more. */
#include "internal.h"

#include <unistd.h>

gwd_config gwd_process;

static int phase;                 /* gwd_phase */
static int in_flight;
static int finishing;             /* of these, threads that send the end of a response */
static uint64_t admitted;         /* requests */

void gwd_active(void)
{
    __atomic_store_n(&gwd_process.slot->active, (uint64_t)gwd_monotonic_coarse(), __ATOMIC_RELAXED);
}

/* Tells Go. */
static int tell(gowsgi_exit_reason reason)
{
    unsigned char byte = (unsigned char)reason;

    return write(gwd_process.event_fd, &byte, 1) == 1 ? 0 : -1;
}

void gwd_admission_begin(void)
{
    gwd_active();
    __atomic_store_n(&phase, GWD_SERVING, __ATOMIC_SEQ_CST);
}

int gwd_retire(gowsgi_exit_reason reason)
{
    uint32_t ready = GOWSGI_WORKER_READY;
    int serving = GWD_SERVING;

    if (!__atomic_compare_exchange_n(&phase, &serving, GWD_RETIRED, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    __atomic_store_n(&gwd_process.slot->exit_reason, (uint32_t)reason, __ATOMIC_RELAXED);
    __atomic_compare_exchange_n(&gwd_process.slot->state, &ready, GOWSGI_WORKER_STALE, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (tell(reason) != 0)
        gwd_logf(GOWSGI_LOG_CRIT, "GWSGI1012: the worker cannot tell its own monitor that it is to be replaced; end it by hand: kill -9 "
                 "%d. This is a defect of mod_gowsgi, please report it", (int)getpid());
    return 1;
}

int gwd_is_serving(void)
{
    return __atomic_load_n(&phase, __ATOMIC_SEQ_CST) == GWD_SERVING;
}

int gwd_in_flight(void)
{
    return __atomic_load_n(&in_flight, __ATOMIC_SEQ_CST);
}

int gwd_is_full(void)
{
    return gwd_in_flight() >= gwd_process.threads;
}

int gwd_is_stuck(void)
{
    return gwd_is_full() && __atomic_load_n(&finishing, __ATOMIC_SEQ_CST) == 0;
}

void gwd_finish(int step)
{
    __atomic_add_fetch(&finishing, step, __ATOMIC_SEQ_CST);
}

/* Gives a request its number. Returns 0, or -1 when this process takes it no more. */
static int take(void)
{
    uint64_t number;

    if (!gwd_is_serving())
        return -1;
    number = __atomic_add_fetch(&admitted, 1, __ATOMIC_SEQ_CST);
    if (gwd_process.maximum_requests && number > gwd_process.maximum_requests)
        return -1;
    if (number == gwd_process.maximum_requests)
        gwd_retire(GOWSGI_EXIT_MAXIMUM_REQUESTS);
    else if (gwd_process.milestone && number % gwd_process.milestone == 0)
        tell(GOWSGI_EXIT_NONE);
    __atomic_store_n(&gwd_process.slot->requests, number, __ATOMIC_RELAXED);
    return 0;
}

int gwd_admit(void)
{
    __atomic_add_fetch(&in_flight, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&gwd_process.slot->busy, 1, __ATOMIC_RELAXED);
    return gwd_admit_next();
}

int gwd_admit_next(void)
{
    int rv = take();

    if (rv != 0)
        gwd_dismiss();
    return rv;
}

void gwd_dismiss(void)
{
    __atomic_sub_fetch(&gwd_process.slot->busy, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&in_flight, 1, __ATOMIC_SEQ_CST);
}
