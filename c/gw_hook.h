/* This file declares how a request asks a function of a script that is not an application: those of WSGIAuthUserScript,
 * WSGIAuthGroupScript, WSGIAccessScript and WSGIDispatchScript. The script runs in this process. */
#ifndef GW_HOOK_H
#define GW_HOOK_H

#include "httpd.h"

#include "gowsgi_abi.h"
#include "gw_config.h"
#include "gw_environ.h"
#include "gw_host.h"
#include "gw_names.h"

/* A script that one request asks. It lives on the stack of who asks. */
typedef struct gw_hook {
    gw_host host;                /* for the log, and for the memory of answers */
    gowsgi_hook call;
    gw_names names;
    char environ[GW_ENVIRON_BUFFER];
} gw_hook;

/* Readies a script for questions about r. role is its directive; consequence says what follows when it cannot be asked, for the log
 * ("access is denied"). shown is GW_SHOW_*. Returns OK; or, with the reason logged, HTTP_INTERNAL_SERVER_ERROR when Python does not
 * run in this process, HTTP_FORBIDDEN when this script cannot be asked. */
int gw_hook_open(gw_hook *hook, request_rec *r, gw_directive_id role, const char *consequence, unsigned shown);

/* Asks a function of the script; flags are GOWSGI_HOOK_*. What follows are the function's arguments after the environ; one that is
 * NULL is not given. An answer's text is hook->call.answer, in memory of the request. */
gowsgi_answer gw_hook_ask(gw_hook *hook, const char *function, unsigned flags, const char *first, const char *second);

#endif
