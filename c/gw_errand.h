/* This file declares one request on its way to a daemon process: what gw_daemon (which worker), gw_exchange (the frames) and
 * gw_failure (what is said and answered when it fails) have in common. */
#ifndef GW_ERRAND_H
#define GW_ERRAND_H

#include "httpd.h"

#include "gowsgi_abi.h"
#include "gw_group.h"
#include "gw_host.h"
#include "gw_pool.h"

/* How many workers are asked for one request. More than this many cannot all have been ended before they read it by chance. */
#define GW_MAX_TRIES 32

/* How long a wait for a worker goes on without a look at the scoreboard. */
#define GW_GLANCE_MS 1000

/* What a step of an errand leads to, besides a gowsgi_outcome: the next step. GOWSGI_RETRY is: with another worker. */
enum { GW_GO_ON = -1 };

/* Lives on the stack of gw_daemon_serve(). */
typedef struct gw_errand {
    request_rec *r;
    gw_group *group;
    gowsgi_request *request;
    gw_host *host;
    gowsgi_span body;            /* of the request body: what travels with the request */
    int body_complete;           /* that is all of it */
    gw_worker tried[GW_MAX_TRIES]; /* workers that did not take it */
    int tried_count;
    int no_socket;               /* what it was to connect to last had no socket: it had just ended, or somebody deleted it */
    int denied;                  /* a socket was there and did not let us in: one that is made anew is root's for a moment */
    int full;                    /* the last worker had no free thread for it, and sent it back: it belongs into the queue */
    apr_time_t sent_time;        /* since when it waits for a thread */
    int64_t waiting_since;       /* the same on gw_group_clock_us() */
    int fresh;                   /* use no connection of the pool: one was closed already */
    long patience_ms;            /* how long it may still wait for workers */
    gw_worker worker;            /* the one that has it now, unless conn->queued */
    int counted;                 /* the pool counts it as that worker's */
    gw_conn *conn;               /* to that one */
    int answered;                /* it sent a frame: it has read the request */
    int body_asked;              /* it was sent a part of the body that will not be there for another */
    int head;                    /* it sent HEAD */
    int whole;                   /* the client has the whole response; END is to follow */
    int unflushed;               /* data with WIRE_FLAG_FLUSH was handed on without */
} gw_errand;

#endif
