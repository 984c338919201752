/* This file declares how the templates of the configuration become the names that one request runs under. */
#ifndef GW_NAMES_H
#define GW_NAMES_H

#include "httpd.h"

#include "../directives/expand.h"

/* Where names are put together. They live as long as it. */
typedef struct gw_names {
    char *at;
    char buffer[GW_EXPAND_BUFFER];
} gw_names;

/* Makes the room empty. */
void gw_names_init(gw_names *names);

/* Expands a template. subject is who gave it, and consequence what a failure leads to ("the request is answered with 500"), both for
 * the log. Returns OK with *out set, or HTTP_INTERNAL_SERVER_ERROR. */
int gw_names_expand(gw_names *names, request_rec *r, const char *script_name, const char *subject, const char *template,
                    const char *consequence, const char **out);

#endif
