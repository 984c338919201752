/* This file declares what httpd's parent hands to the supervisor: its configuration, the scoreboard, the lease and the error logs, each as a
 * descriptor at an agreed place.
 *
 *   0 /dev/null   1, 2 main error log   3 configuration   4 scoreboard   5 lease   6... error logs of virtual hosts
 *
 * The lease is a pipe. Its write end is held by the parent and the children of the generation, and by nobody else: they all are gone, and
 * no more requests can come, when the supervisor reads its end of file. */
#ifndef GW_HANDOVER_H
#define GW_HANDOVER_H

#include "httpd.h"
#include "apr_tables.h"

#include "gowsgi_scoreboard.h"

typedef struct gw_handover {
    apr_array_header_t *descriptors; /* of int: the supervisor's, in order; they stay open in the parent */
    void *board;                 /* mapped */
    size_t board_size;
    int lease;                   /* the write end; -1 or 0: none */
} gw_handover;

/* Makes all of it for the groups of this generation. Returns NULL, or what could not be made, with errno set. */
const char *gw_handover_prepare(gw_handover *h, apr_pool_t *p, server_rec *main_server);

/* Puts the descriptors where the supervisor expects them and closes all others. For a process that is about to exec: it only
 * makes system calls. Returns 0, or -1. */
int gw_handover_place(const gw_handover *h);

/* Closes, in a child of httpd, what only the supervisor needs: the configuration may hold secrets (env=). */
void gw_handover_keep_lease(const gw_handover *h);

/* Closes and unmaps what was made. */
void gw_handover_close(gw_handover *h);

#endif
