/* This file declares the connections between a child of httpd and the workers of a daemon process group: the choice of a worker,
 * a pool of connections that are kept open, and the group's queue. Each child has its own; its threads share it. */
#ifndef GW_POOL_H
#define GW_POOL_H

#include "httpd.h"

#include "gw_group.h"

/* Bytes that one connection can hold: two frames of WIRE_CHUNK. */
#define GW_CONN_BUFFER (2 * (8 + 65536))

typedef struct gw_pool gw_pool;

/* One process that was, or is, a worker. */
typedef struct gw_worker {
    uint32_t slot;               /* among the group's */
    uint32_t incarnation;
} gw_worker;

/* A connection to a worker. One request at a time uses it. */
typedef struct gw_conn {
    struct gw_conn *next;        /* in the pool */
    int queued;                  /* it waits in the group's queue, or did: which worker has it is not known */
    gw_worker worker;            /* not when queued */
    int pid;                     /* of the worker; 0 when queued */
    int fd;
    int pooled;                  /* has served a request before this one */
    int passed;                  /* a descriptor that came with a frame, or -1 */
    char *buffer;                /* received bytes: those from begin to end were not used yet */
    size_t capacity, begin, end;
    char *body;                  /* room for a BODY frame; NULL before the first */
} gw_conn;

/* A pool for so many slots, empty. Made in the parent; nothing is in it there. */
gw_pool *gw_pool_create(apr_pool_t *p, uint32_t slots);

typedef enum gw_pool_choice {
    GW_POOL_NONE,                /* no worker takes requests */
    GW_POOL_FULL,                /* none has a free thread, or each was tried */
    GW_POOL_CHOSEN
} gw_pool_choice;

/* Chooses the READY worker with the fewest requests that has a free thread and is not among the tried ones, and counts a request for it
 * until gw_pool_leave(). */
gw_pool_choice gw_pool_choose(gw_group *group, const gw_worker *tried, int tried_count, gw_worker *out);
void gw_pool_leave(gw_group *group, gw_worker worker);

/* Whether any worker of the group takes requests. */
int gw_pool_is_served(const gw_group *group);

/* A connection of the pool to this worker, or NULL. */
gw_conn *gw_pool_take(gw_group *group, gw_worker worker);

/* A new connection. Waits up to timeout_ms for the worker to have room for it. NULL: errno says why. */
gw_conn *gw_pool_connect(gw_group *group, gw_worker worker, long timeout_ms);

/* A new connection into the group's queue. Waits up to timeout_ms for room in it. NULL: errno says why. */
gw_conn *gw_pool_queue(gw_group *group, long timeout_ms);

/* Takes a connection back whose exchange is complete. */
void gw_pool_give(gw_group *group, gw_conn *conn);

/* Closes a connection. */
void gw_pool_close(gw_conn *conn);

#endif
