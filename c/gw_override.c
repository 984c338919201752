/* This file lets httpd answer in place of an application whose status is an error (WSGIErrorOverride): the handler returns that
 * status, as a handler does that has no response of its own, and httpd finds the ErrorDocument. */
#include "gw_override.h"

#include "apr_strings.h"
#include "http_protocol.h"

#include "gowsgi_packed.h"
#include "gw_config.h"

/* httpd would answer 500 in place of an error that it has no words for. */
static int is_known_error(int status)
{
    return ap_is_HTTP_ERROR(status)
           && (status == HTTP_INTERNAL_SERVER_ERROR
               || ap_index_of_response(status) != ap_index_of_response(HTTP_INTERNAL_SERVER_ERROR));
}

/* An application that is asked for the ErrorDocument itself has the last word: httpd does not look for the document of a document. */
int gw_override_applies(const request_rec *r, int status)
{
    return is_known_error(status) && gw_dir_num(r, GW_ERROR_OVERRIDE) && !(r->prev && r->prev->status != HTTP_OK);
}

/* Without these a client cannot do what the status tells it to. */
static int belongs_to_status(const char *name)
{
    return !ap_cstr_casecmp(name, "WWW-Authenticate") || !ap_cstr_casecmp(name, "Retry-After");
}

void gw_override_take(gw_host *host, int status, gowsgi_span headers)
{
    apr_pool_t *p = host->r->pool;
    gowsgi_span name, value;

    host->overridden = status;
    host->kept = apr_table_make(p, 2);
    while (gowsgi_packed_next(&headers, &name, &value) > 0) {
        const char *key = apr_pstrmemdup(p, name.data, name.len);
        if (belongs_to_status(key))
            apr_table_addn(host->kept, key, apr_pstrmemdup(p, value.data, value.len));
    }
}

/* httpd sends err_headers_out with its error responses, over an internal redirect to an ErrorDocument, too. */
int gw_override_conclude(gw_host *host)
{
    request_rec *r = host->r;

    r->err_headers_out = apr_table_overlay(r->pool, r->err_headers_out, host->kept);
    return host->overridden;
}
