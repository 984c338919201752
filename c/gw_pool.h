/* This file declares the connections between a child of httpd and the workers of a daemon process group: the choice of a worker,
 * and a pool of connections that are kept open. Each child has its own; its threads share it. */
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
    gw_worker worker;
    int pid;                     /* of the worker */
    int fd;
    int pooled;                  /* has served a request before this one */
    int passed;                  /* a descriptor that came with a frame, or -1 */
    char *buffer;                /* received bytes: those from begin to end were not used yet */
    size_t capacity, begin, end;
    char *body;                  /* room for a BODY frame; NULL before the first */
} gw_conn;

/* A pool for so many slots, empty. Made in the parent; nothing is in it there. */
gw_pool *gw_pool_create(apr_pool_t *p, uint32_t slots);

/* Chooses the READY worker with the fewest requests that is not among the tried ones, and counts a request for it until
 * gw_pool_leave(). Returns 1, or 0 when there is none. */
int gw_pool_choose(gw_group *group, const gw_worker *tried, int tried_count, gw_worker *out);
void gw_pool_leave(gw_group *group, gw_worker worker);

/* A connection of the pool to this worker, or NULL. */
gw_conn *gw_pool_take(gw_group *group, gw_worker worker);

/* A new connection. Waits up to timeout_ms for the worker to have room for it. NULL: errno says why. */
gw_conn *gw_pool_connect(gw_group *group, gw_worker worker, long timeout_ms);

/* Takes a connection back whose exchange is complete. */
void gw_pool_give(gw_group *group, gw_conn *conn);

/* Closes a connection. */
void gw_pool_close(gw_conn *conn);

#endif
