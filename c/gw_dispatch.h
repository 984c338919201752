/* This file declares how a WSGIDispatchScript chooses where a request runs. */
#ifndef GW_DISPATCH_H
#define GW_DISPATCH_H

#include "httpd.h"

/* What it chose: templates, as the directives of the same purpose take them, in memory of the request. NULL: no choice, what the
 * configuration says holds. */
typedef struct gw_dispatch {
    const char *process_group, *app_group, *callable;
} gw_dispatch;

/* Asks the dispatch script in force, if there is one. Returns OK, or the status to answer when it failed: the request must not go
 * to another application then. */
int gw_dispatch_ask(request_rec *r, gw_dispatch *out);

#endif
