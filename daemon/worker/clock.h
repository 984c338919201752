/* This file is the clocks of a worker. What is measured or limited uses the one that is never set. */
#ifndef GOWSGI_WORKER_CLOCK_H
#define GOWSGI_WORKER_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t gwd_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Microseconds of CLOCK_MONOTONIC. */
static inline int64_t gwd_monotonic(void)
{
    return gwd_clock(CLOCK_MONOTONIC);
}

/* The same a few milliseconds ago; costs nothing. */
static inline int64_t gwd_monotonic_coarse(void)
{
    return gwd_clock(CLOCK_MONOTONIC_COARSE);
}

/* Microseconds since the epoch. */
static inline int64_t gwd_wall_clock(void)
{
    return gwd_clock(CLOCK_REALTIME);
}

#endif
