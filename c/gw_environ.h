/* This file declares how a request becomes the packed environ of a WSGI application. */
#ifndef GW_ENVIRON_H
#define GW_ENVIRON_H

#include "httpd.h"

#include "gowsgi_abi.h"

/* Room for the environ of an ordinary request, so that the caller can offer it from its stack. */
#define GW_ENVIRON_BUFFER 6144

/* What httpd's records do not say about a request. */
typedef struct gw_environ_facts {
    const char *method;          /* REQUEST_METHOD; WSGIMapHEADToGET may have changed it */
    const char *script_name;     /* SCRIPT_NAME and PATH_INFO, see gw_environ_split() */
    const char *path_info;
    const char *process_group, *app_group, *callable;
    int pass_authorization;      /* WSGIPassAuthorization, or the alias's option */
} gw_environ_facts;

/* Splits the URL-path into SCRIPT_NAME and PATH_INFO, as CGI does. Both are "" rather than NULL. */
void gw_environ_split(request_rec *r, const char **script_name, const char **path_info);

/* Packs the environ into buf, or into memory of r->pool when it does not fit into cap bytes. First come the variables
 * that other modules set (r->subprocess_env), then our own: what the client and Apache say cannot be overridden. */
gowsgi_span gw_environ_pack(request_rec *r, const gw_environ_facts *facts, char *buf, size_t cap);

/* What the environ of a script that is asked about a request shows, beside the request: it depends on when it is asked. */
enum {
    GW_SHOW_USER = 1,            /* who the client is: REMOTE_USER, AUTH_TYPE */
    GW_SHOW_VARIABLES = 2        /* what other modules set: SetEnv, SetEnvIf, RewriteRule [E=...], SSLOptions +StdEnvVars */
};

/* The same for such a script, without any credentials; shown is GW_SHOW_*. */
gowsgi_span gw_environ_pack_question(request_rec *r, const char *app_group, unsigned shown, char *buf, size_t cap);

#endif
