/* This file is what the C files of a worker share: connections, the exchange on one, and the process's state. */
#ifndef GOWSGI_WORKER_INTERNAL_H
#define GOWSGI_WORKER_INTERNAL_H

#include <pthread.h>

#include "gowsgi_buffer.h"
#include "wire.h"
#include "worker.h"

/* ---- connections (conn.c) ---- */

#define GWD_INPUT (64 * 1024)     /* what one recv() of a request may bring */

/* A connection from an Apache child. It belongs to the thread that epoll gave it to, or to none while it waits there. */
typedef struct gwd_conn {
    struct gwd_conn *next, *before; /* all connections; the list's lock */
    int fd;
    int64_t partial_since;        /* when an incomplete REQUEST began; 0: none; the list's lock */
    gowsgi_buffer partial;           /* what there is of it */
} gwd_conn;

gwd_conn *gwd_conn_new(int fd);   /* NULL without memory */
void gwd_conn_close(gwd_conn *conn);
void gwd_conn_note_partial(gwd_conn *conn, int64_t since);

/* Receives what is there of a REQUEST, without waiting, into input (GWD_INPUT bytes) or the connection's own memory. Returns 1 and all
 * its bytes, 0 when there is not all of it yet, -1 when the peer is gone, -2 when it is broken. */
int gwd_conn_receive(gwd_conn *conn, char *input, wire_frame *frame, const char **data);

/* Answers a request at once: it is to go to another worker. Returns 0, or -1 when the connection is to be closed. */
int gwd_conn_retry(gwd_conn *conn, wire_retry reason);

/* Around a fork the list is locked; then the child closes them all, so that what the parent closes is closed. */
void gwd_conn_lock(void);
void gwd_conn_unlock(void);
void gwd_conn_abandon(void);

/* ---- one exchange (exchange.c) ---- */

/* The exchange that a thread is in: the host of its request. Reused from one to the next. */
typedef struct gwd_exchange {
    gwd_conn *conn;
    int broken;                   /* the peer is gone or not to be trusted: nothing more is read or sent */
    int idle;                     /* the request is no activity (GOWSGI_REQ_IGNORE_ACTIVITY) */
    int ended;                    /* END or FILE was queued or sent */
    gowsgi_buffer out;               /* frames that wait to be sent; the thread that runs host functions */
    gowsgi_span body;             /* what is at hand of the request body */
    int body_state;               /* > 0: there may be more; else GOWSGI_READ_* of its end */
    gowsgi_buffer ahead;             /* what was read ahead of the application */
    pthread_mutex_t log_lock;     /* held for some instructions; guards what follows */
    gowsgi_buffer logs;              /* LOG frames that wait to be sent */
    int log_direct;               /* the exchange is over: lines go to the process's log */
    gowsgi_span environ;          /* of the request, to say in the log whose it is */
} gwd_exchange;

extern const gowsgi_host gwd_host;

void gwd_exchange_begin(gwd_exchange *x, gwd_conn *conn, const wire_request *request, int body_complete);

/* Sends what the outcome needs. Returns 0 when the connection is ready for the next request, -1 when it is to be closed. */
int gwd_exchange_end(gwd_exchange *x, gowsgi_outcome outcome, int status);

/* "GET /path (client 1.2.3.4:5)" of an environ. */
void gwd_describe(gowsgi_span environ, char *text, size_t cap);

/* ---- what waits for a thread (queue.c) ---- */

int gwd_queue_start(void);        /* 0, or an errno */
void gwd_queue_watch(void);       /* all threads are at work */

/* ---- the process (loop.c, log.c) ---- */

extern gwd_config gwd_process;

int gwd_is_serving(void);         /* requests are taken */

/* Sends the oldest request back that no thread has taken yet (RETRY), without waiting. For one thread at a time. Returns whether there
 * was one. */
int gwd_send_back(void);

void gwd_touch(const gwd_exchange *x); /* its request came, read or wrote */
void gwd_logf(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As gwd_logf, but at most one line in ten seconds; says how many were left out. */
void gwd_logf_seldom(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
