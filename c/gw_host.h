/* This file declares what Apache offers to a WSGI application while it serves one request: gowsgi_host, filled with
 * functions that read from and write to httpd's filters. */
#ifndef GW_HOST_H
#define GW_HOST_H

#include "httpd.h"

#include "gowsgi_abi.h"

/* The state of one request: gowsgi_request.host_ctx. It lives on the handler's stack. */
typedef struct gw_host {
    request_rec *r;
    apr_bucket_brigade *in;      /* of the request body: what was read from httpd and not yet asked for; NULL before the
                                    first read */
    apr_bucket_brigade *out;     /* of the response; reused for every write; NULL before the first */
    ssize_t read_result;         /* GOWSGI_READ_* once the body ended or failed, 1 before */
    int answered;                /* head() stated a status */
    int sent;                    /* something was handed to the output filters */
    int refused;                 /* httpd's input filters answered the client already, because of the request body;
                                    nothing of the application's response can be sent any more */
    int replaced;                /* an output filter answered the client instead (416 of the byte-range filter, say) */
    int overridden;              /* the status that httpd is to answer with in place of the application (gw_override.h); else 0 */
    apr_table_t *kept;           /* then: headers of the application's that go with it */
} gw_host;

/* The functions; the same for all requests. */
extern const gowsgi_host gw_host_functions;

/* Makes host serve r. Allocates nothing. */
void gw_host_init(gw_host *host, request_rec *r);

/* Moves what httpd has at hand of the request body to buf, up to cap bytes, without waiting for more. Returns how many; read() goes
 * on behind them. */
size_t gw_host_read_ahead(gw_host *host, char *buf, size_t cap);

/* Whether what was read is known to be the whole body. Its length does not tell: input filters such as mod_deflate's change it. */
int gw_host_has_whole_body(gw_host *host);

/* Ends a response that cannot be completed, so that the client sees that it is incomplete: without a final chunk; short of its
 * Content-Length; or with a reset of the connection, where only the end of the connection would tell its end. */
void gw_host_abort(gw_host *host);

/* Takes back what head() stated, so that httpd can answer with an error of its own. Only while nothing was sent. */
void gw_host_forget_head(gw_host *host);

#endif
