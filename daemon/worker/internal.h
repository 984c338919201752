/* This file is what the C files of a worker share: connections, the exchange on one, and the process's state. */
#ifndef GOWSGI_WORKER_INTERNAL_H
#define GOWSGI_WORKER_INTERNAL_H

#include <pthread.h>

#include "clock.h"
#include "gowsgi_buffer.h"
#include "wire.h"
#include "worker.h"

/* ---- connections (conn.c) ---- */

#define GWD_INPUT (64 * 1024)     /* what one recv() of a request may bring */

/* A connection from an Apache child. It belongs to the thread that epoll gave it to, or to none while it waits there. */
typedef struct gwd_conn {
    struct gwd_conn *next, *before; /* all connections; the list's lock */
    int fd;
    int polled;                   /* it is, or was, in the epoll set */
    int queued;                   /* it came through the group's queue, and brings one request */
    int64_t partial_since;        /* when an incomplete REQUEST began; 0: none; the list's lock */
    gowsgi_buffer partial;           /* what there is of it */
} gwd_conn;

gwd_conn *gwd_conn_new(int fd);   /* NULL without memory */
void gwd_conn_close(gwd_conn *conn);
void gwd_conn_note_partial(gwd_conn *conn, int64_t since);

/* Receives what is there of a REQUEST, without waiting, into input (GWD_INPUT bytes) or the connection's own memory. Returns 1 and its
 * payload and flags, valid until gwd_conn_forget(); 0 when there is not all of it yet; -1 when the peer is gone or broken, which was
 * logged. */
int gwd_conn_receive(gwd_conn *conn, char *input, gowsgi_span *payload, uint8_t *flags);
void gwd_conn_forget(gwd_conn *conn);

/* Logs that a peer sent what is no request. Returns -1. */
int gwd_conn_refuse(void);

/* Waits until the peer has sent something, or so many milliseconds. */
void gwd_conn_await(const gwd_conn *conn, int ms);

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
    int finishing;                /* gwd_finish(1) was called for it */
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

/* Before the peer can know that the exchange ends: the thread will look for the next request in a moment. */
void gwd_exchange_finish(gwd_exchange *x);

/* Sends what the outcome needs. Returns 0 when the connection is ready for the next request, -1 when it is to be closed. */
int gwd_exchange_end(gwd_exchange *x, gowsgi_outcome outcome, int status);

/* "GET /path (client 1.2.3.4:5)" of an environ. */
void gwd_describe(gowsgi_span environ, char *text, size_t cap);

/* ---- what comes: the epoll set (poll.c), accepting (listen.c) ---- */

int gwd_poll_open(void);          /* 0, or -1 and errno */
void gwd_poll_close(void);
void gwd_poll_add(int fd, void *what);
void gwd_poll_again(int fd, void *what);
void *gwd_poll_wait(void);        /* what has something to say: a gwd_conn, &gwd_own, &gwd_queue */

/* A thread is done with a connection: it waits there for more, or with a negative rv it is closed. */
void gwd_poll_release(gwd_conn *conn, int rv);

int gwd_listen_prepare(int fd);   /* 0, or -1 and errno */
gwd_conn *gwd_listen_accept(int listener); /* without waiting; NULL: nobody is there */

/* ---- the worker's own socket (own.c) ---- */

extern char gwd_own;

int gwd_own_start(int fd);        /* listens there, instead of where it did before. 0, or -1 and errno */
void gwd_own_come(void);          /* epoll returned it */
void gwd_own_abandon(void);       /* in a forked child */

/* ---- the group's queue (queue.c) ---- */

extern char gwd_queue;

int gwd_queue_start(int fd);      /* as gwd_own_start() */
gwd_conn *gwd_queue_take(void);   /* who has waited for longest, for a thread that is counted as at work; or NULL */
gwd_conn *gwd_queue_come(void);   /* the same, when epoll returned it to a thread that is free */
void gwd_queue_leave(void);       /* epoll returned it to one that cannot serve; a thread that gets free will look */
void gwd_queue_open(void);        /* a thread is free: it is to be told when somebody comes */
void gwd_queue_abandon(void);     /* in a forked child */

/* ---- requests that are sent to a worker without a free thread (doorman.c) ---- */

int gwd_doorman_start(void);      /* 0, or an errno */
void gwd_doorman_call(void);      /* all threads are at work; none is just finishing */

/* ---- the process (admission.c, loop.c, log.c) ---- */

extern gwd_config gwd_process;

void gwd_admission_begin(void);
int gwd_is_serving(void);         /* requests are taken */
int gwd_is_full(void);            /* all threads are counted as at work */
int gwd_is_stuck(void);           /* and none of them will look for what comes next in a moment */
void gwd_finish(int step);        /* a thread will (1), or has done so (-1) */

/* Counts a thread and its request in. Returns 0, or -1 when this process takes it no more; then it is counted out again. */
int gwd_admit(void);
int gwd_admit_next(void);         /* another request of a thread that is still counted */
void gwd_dismiss(void);           /* counts the thread out */

void gwd_active(void);            /* something happens: inactivity-timeout begins anew */
void gwd_touch(const gwd_exchange *x); /* its request came, read or wrote */
void gwd_logf(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As gwd_logf, but at most one line in ten seconds; says how many were left out. */
void gwd_logf_seldom(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
