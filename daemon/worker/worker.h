/* This file is what the C of a worker process offers to Go, which starts it and watches it: threads that take requests off the
 * group's socket, serve them, and count. The straight road of a request is in C, as decided for all of mod_gowsgi.
 */
#ifndef GOWSGI_WORKER_H
#define GOWSGI_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "gowsgi_abi.h"
#include "gowsgi_scoreboard.h"

/* What a worker is to be. Filled by Go before gwd_start(), copied by it. Times of 0 mean: no limit. */
typedef struct gwd_config {
    gowsgi_outcome (*serve)(gowsgi_request *request); /* gowsgi_request_serve() */
    gowsgi_worker_slot *slot;     /* its place in the scoreboard */
    int listen_fd;                /* its own listening socket */
    int queue_fd;                 /* that of its group */
    int event_fd;                 /* the write end of a pipe: a byte of gowsgi_exit_reason when C decides to retire, 0 at a milestone */
    int control_fd;               /* not used here, but closed in children that applications fork; -1: none */
    uid_t peer_uid;               /* who may connect, besides root */
    int threads;
    size_t stack_size;            /* of each thread; 0: the system's */
    int receive_buffer, send_buffer; /* of the sockets; 0: the system's */
    int socket_timeout_ms;        /* of each read and write */
    int64_t queue_timeout_us;
    uint64_t maximum_requests;
    uint64_t milestone;           /* every so many requests are one; 0: none is */
} gwd_config;

/* Whether requests are taken. Only ever raised. */
typedef enum gwd_phase {
    GWD_STARTING = 0,
    GWD_SERVING = 1,
    GWD_RETIRED = 2               /* requests are sent back: RETRY */
} gwd_phase;

/* Sets where lines go that belong to no request, and down to which level. Before everything else. */
void gwd_log_setup(int fd, int level);

/* Logs one line as httpd would, with one write(2). Any thread, with or without the GIL. */
void gwd_log(int level, gowsgi_span line);

/* Readies the process: signals, and what its forked children close. */
void gwd_prepare(void);

/* Starts the threads; the phase becomes SERVING. Returns 0, or -1: *why is a static text, and errno set. */
int gwd_start(const gwd_config *config, const char **why);

/* Takes no more requests from now on, because of reason. Returns 1, or 0 when it was so already. */
int gwd_retire(gowsgi_exit_reason reason);

/* How many requests are being served. */
int gwd_in_flight(void);

/* A request that is being served. */
typedef struct gwd_running {
    int64_t since;                /* microseconds of CLOCK_MONOTONIC; 0: the thread serves none */
    long tid;                     /* set when since is */
    char what[512];               /* method, URI and client, for a log line */
} gwd_running;

/* Tells what thread `index` of the config's threads is doing. */
void gwd_running_of(int index, gwd_running *out);

/* Ends connections whose REQUEST began before a time (gwd_monotonic()) and is still not complete. */
void gwd_conn_end_partials(int64_t before);

/* Listens on another socket instead of its own, or of the group's: the one before has lost its name. Any thread. 0, or -1 and errno. */
int gwd_own_start(int fd);
int gwd_queue_start(int fd);

#endif
