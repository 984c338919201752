/* This file is the scoreboard: memory that Apache's children, the supervisor and the workers of one generation share (a memfd that
 * the parent makes before it forks). Plain C; Go reads it through the same header.
 *
 * It is the slots of all groups, then those of all workers. How many there are travels with the configuration and is not in the
 * memory: any worker can write there, and what one has spoilt must not keep another process from finding its place. Every
 * field is written by one role, named beside it, and read by all, with the atomic builtins. Nothing in it is a pointer.
 */
#ifndef GOWSGI_SCOREBOARD_H
#define GOWSGI_SCOREBOARD_H

#include <stdint.h>
#include <stdio.h>

/* What a worker is doing. A request is given to READY workers only. */
typedef enum gowsgi_worker_state {
    GOWSGI_WORKER_EMPTY = 0,      /* no process */
    GOWSGI_WORKER_STARTING = 1,   /* the process is not ready yet */
    GOWSGI_WORKER_READY = 2,      /* takes requests */
    GOWSGI_WORKER_STALE = 3,      /* takes no more, waits for its replacement: script changed, maximum-requests */
    GOWSGI_WORKER_DRAINING = 4,   /* finishes what it has, then exits */
    GOWSGI_WORKER_DEAD = 5        /* the process has ended and was not expected to; exit_status tells */
} gowsgi_worker_state;

/* One place for a worker process. A group has more than twice as many as processes, so that a replacement can start before the old one
 * stops. */
typedef struct gowsgi_worker_slot {
    uint32_t state;               /* gowsgi_worker_state; supervisor, and the worker itself (READY, STALE, DRAINING) */
    uint32_t incarnation;         /* raised for each process put here; part of its socket's name; supervisor */
    int32_t pid;                  /* supervisor */
    int32_t exit_status;          /* as waitpid() gives it, of incarnation exit_incarnation; supervisor */
    uint32_t exit_incarnation;    /* supervisor; set after exit_status */
    uint32_t busy;                /* threads that serve a request; worker */
    uint32_t threads;             /* worker */
    uint32_t exit_reason;         /* gowsgi_exit_reason of why it stops or stopped; worker or supervisor */
    uint64_t requests;            /* served by this process; worker */
    uint64_t started;             /* microseconds since the epoch; supervisor */
    uint64_t active;              /* when it became ready, or a request came, read or wrote last, microseconds (monotonic); worker */
    uint64_t ended;               /* when the end of incarnation exit_incarnation was seen, microseconds (monotonic); supervisor */
    uint64_t reserved[7];
} gowsgi_worker_slot;

/* Why a worker stops. */
typedef enum gowsgi_exit_reason {
    GOWSGI_EXIT_NONE = 0,
    GOWSGI_EXIT_SERVER = 1,       /* Apache stops or restarts */
    GOWSGI_EXIT_RELOAD = 2,       /* a script changed */
    GOWSGI_EXIT_MAXIMUM_REQUESTS = 3,
    GOWSGI_EXIT_INACTIVITY = 4,
    GOWSGI_EXIT_DEADLOCK = 5,
    GOWSGI_EXIT_REQUEST_TIMEOUT = 6,
    GOWSGI_EXIT_STARTUP_TIMEOUT = 7,
    GOWSGI_EXIT_SIGNAL = 8,       /* somebody sent SIGINT, SIGTERM or SIGUSR1 */
    GOWSGI_EXIT_CRASH = 9,
    GOWSGI_EXIT_ORPHANED = 10,    /* the supervisor is gone, so that nobody records how the worker ends */
    GOWSGI_EXIT_UNNEEDED = 11,    /* it stood by as a replacement, and was not called */
    GOWSGI_EXIT_CPU_TIME = 12,
    GOWSGI_EXIT_INTERVAL = 13
} gowsgi_exit_reason;

/* A daemon process group. */
typedef struct gowsgi_group_slot {
    uint32_t changes;             /* a futex: raised and woken whenever a worker becomes READY or ends; supervisor and workers */
    uint32_t restarts;            /* processes started beyond the first ones; supervisor */
    uint32_t stopping;            /* not 0: httpd stops or restarts, so no worker will come any more; supervisor */
    uint32_t unused;
    uint64_t reserved[4];
} gowsgi_group_slot;

static inline size_t gowsgi_scoreboard_size(uint32_t groups, uint32_t workers)
{
    return groups * sizeof(gowsgi_group_slot) + workers * sizeof(gowsgi_worker_slot);
}

static inline gowsgi_group_slot *gowsgi_scoreboard_group(void *board, uint32_t group)
{
    return (gowsgi_group_slot *)board + group;
}

/* groups is how many there are. */
static inline gowsgi_worker_slot *gowsgi_scoreboard_worker(void *board, uint32_t groups, uint32_t worker)
{
    return (gowsgi_worker_slot *)((char *)board + gowsgi_scoreboard_size(groups, 0)) + worker;
}

/* The longest path of a socket, with its NUL: sizeof(sockaddr_un.sun_path). */
#define GOWSGI_SOCKET_PATH_MAX 108

/* Writes the path of the socket of one worker process. worker is the index of its slot in the scoreboard. Returns its
 * length; one of GOWSGI_SOCKET_PATH_MAX or more did not fit. */
static inline int gowsgi_socket_path(char path[GOWSGI_SOCKET_PATH_MAX], const char *prefix, int parent_pid, int generation,
                                     uint32_t group, uint32_t worker, uint32_t incarnation)
{
    return snprintf(path, GOWSGI_SOCKET_PATH_MAX, "%s.%d.%d.%u.%u.%u.sock", prefix, parent_pid, generation, group, worker,
                    incarnation);
}

/* The same for the socket of a group's queue, which all its workers listen on. */
static inline int gowsgi_queue_path(char path[GOWSGI_SOCKET_PATH_MAX], const char *prefix, int parent_pid, int generation,
                                    uint32_t group)
{
    return snprintf(path, GOWSGI_SOCKET_PATH_MAX, "%s.%d.%d.%u.sock", prefix, parent_pid, generation, group);
}

#endif
