/* This file declares how a child of httpd gets Go and Python: libgowsgi-X.Y.so, which lies beside mod_gowsgi.so, is opened
 * after the fork, compared with this build, and started. Whatever fails, httpd goes on; WSGI requests are answered 500. */
#ifndef GW_LOADER_H
#define GW_LOADER_H

#include "httpd.h"

#include "gowsgi_abi.h"

/* Prepares what the children of this configuration share. Runs in post_config. */
void gw_loader_prepare(apr_pool_t *pconf);

/* Opens and starts the library in this child. When that fails, the first child to see it logs one line. Runs in child_init, on
 * the child's main thread and before any other thread exists. What was started is stopped when pchild is destroyed. */
void gw_loader_start(apr_pool_t *pchild, server_rec *main_server);

/* NULL when this child can serve WSGI requests; else the reason why it cannot, as a clause. Any thread. */
const char *gw_loader_refusal(void);

/* gowsgi_request_serve() of the library. Only while gw_loader_refusal() is NULL. */
gowsgi_outcome gw_loader_serve(gowsgi_request *request);

/* gowsgi_hook_call() of the library. Only while gw_loader_refusal() is NULL. */
gowsgi_answer gw_loader_ask(gowsgi_hook *hook);

/* The path of a file that lies beside mod_gowsgi.so. */
const char *gw_loader_beside(apr_pool_t *p, const char *file);

/* Whether httpd runs as one process that does not fork (httpd -X). */
int gw_loader_single_process(void);

/* Opens libpython so that Python's extension modules, which are not linked with it, find its symbols. Returns its
 * handle, or NULL and *error. It is never closed. */
void *gw_loader_open_python(const char **error);

#endif
