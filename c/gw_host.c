/* This file connects a WSGI application's input and output with httpd's filters. All functions but host_log() run on the
 * thread that serves the request, without Python's GIL. */
#include "gw_host.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "gowsgi_packed.h"
#include "gw_log.h"
#include "gw_override.h"

void gw_host_init(gw_host *host, request_rec *r)
{
    host->r = r;
    host->in = NULL;
    host->out = NULL;
    host->read_result = 1;
    host->answered = 0;
    host->sent = 0;
    host->refused = 0;
    host->replaced = 0;
    host->overridden = 0;
    host->kept = NULL;
}

/* ---- The request body ---- */

/* What a failure of httpd's input filters means. */
static ssize_t read_failure(gw_host *host, apr_status_t rv)
{
    if (rv == AP_FILTER_ERROR) {
        host->refused = 1;
        return host->r->status == HTTP_REQUEST_ENTITY_TOO_LARGE ? GOWSGI_READ_TOO_LARGE : GOWSGI_READ_MALFORMED;
    }
    if (rv == APR_ENOSPC)
        return GOWSGI_READ_TOO_LARGE;
    if (APR_STATUS_IS_TIMEUP(rv) || APR_STATUS_IS_ETIMEDOUT(rv))
        return GOWSGI_READ_TIMEOUT;
    if (APR_STATUS_IS_EOF(rv) || rv == APR_INCOMPLETE || APR_STATUS_IS_ECONNRESET(rv) || APR_STATUS_IS_ECONNABORTED(rv)
        || APR_STATUS_IS_EPIPE(rv))
        return GOWSGI_READ_GONE;
    if (rv == APR_EGENERAL || rv == APR_EINVAL || rv == APR_ENOTIMPL)
        return GOWSGI_READ_MALFORMED;
    return GOWSGI_READ_FAILED;
}

/* Remembers that no more bytes will come, and says why. A client's doing is no error of the server's. */
static ssize_t end_of_input(gw_host *host, ssize_t result, apr_status_t rv)
{
    static const char *const why[] = {
        "is complete", "cannot be read", "ended early: the client closed the connection", "did not arrive in time",
        "is longer than LimitRequestBody allows", "is not well-formed HTTP"
    };

    host->read_result = result;
    if (rv == AP_FILTER_ERROR)
        rv = APR_SUCCESS; /* no errno: the input filter has logged the reason */
    if (result == GOWSGI_READ_FAILED)
        ap_log_rerror(GW_MARK, APLOG_ERR, rv, host->r, "GWSGI0301: the request body %s; the application sees an error when "
                      "it reads it. A line of httpd's before this one may tell why", why[-result]);
    else if (result != GOWSGI_READ_EOF)
        ap_log_rerror(GW_MARK, result == GOWSGI_READ_GONE ? APLOG_DEBUG : APLOG_INFO, rv, host->r,
                      "the request body %s", why[-result]);
    return result;
}

/* Moves bytes of host->in to buf. Returns how many; sets host->read_result when the brigade says that the body ended. */
static size_t take_bytes(gw_host *host, char *buf, size_t cap)
{
    size_t got = 0;

    while (got < cap && host->read_result > 0 && !APR_BRIGADE_EMPTY(host->in)) {
        apr_bucket *b = APR_BRIGADE_FIRST(host->in);
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            end_of_input(host, GOWSGI_READ_EOF, APR_SUCCESS);
        }
        else if (AP_BUCKET_IS_ERROR(b)) {
            int status = ((ap_bucket_error *)b->data)->status;
            end_of_input(host, status == HTTP_REQUEST_ENTITY_TOO_LARGE ? GOWSGI_READ_TOO_LARGE : GOWSGI_READ_MALFORMED,
                         APR_SUCCESS);
        }
        else if (!APR_BUCKET_IS_METADATA(b)) {
            rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
            if (rv != APR_SUCCESS) {
                end_of_input(host, read_failure(host, rv), rv);
                break;
            }
            if (len > cap - got) {
                len = cap - got;
                apr_bucket_split(b, len);
            }
            memcpy(buf + got, data, len);
            got += len;
        }
        apr_bucket_delete(b);
    }
    return got;
}

/* Asks httpd for up to want bytes. Returns 0 when it has none now (only with APR_NONBLOCK_READ) or when the body is over. */
static int fetch(gw_host *host, size_t want, apr_read_type_e block)
{
    request_rec *r = host->r;
    apr_status_t rv = ap_get_brigade(r->input_filters, host->in, AP_MODE_READBYTES, block, (apr_off_t)want);

    if (rv == APR_SUCCESS) {
        if (!APR_BRIGADE_EMPTY(host->in))
            return 1;
        if (block == APR_BLOCK_READ)
            end_of_input(host, GOWSGI_READ_GONE, rv);
        return 0;
    }
    if (block == APR_NONBLOCK_READ && APR_STATUS_IS_EAGAIN(rv))
        return 0;
    apr_brigade_cleanup(host->in);
    end_of_input(host, read_failure(host, rv), rv);
    return 0;
}

size_t gw_host_read_ahead(gw_host *host, char *buf, size_t cap)
{
    size_t got = 0;

    if (!host->in)
        host->in = apr_brigade_create(host->r->pool, host->r->connection->bucket_alloc);
    while (got < cap && host->read_result > 0) {
        if (APR_BRIGADE_EMPTY(host->in) && !fetch(host, cap - got, APR_NONBLOCK_READ))
            break;
        got += take_bytes(host, buf + got, cap - got);
    }
    return got;
}

int gw_host_has_whole_body(gw_host *host)
{
    if (host->read_result > 0 && host->in && !APR_BRIGADE_EMPTY(host->in) && APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(host->in)))
        end_of_input(host, GOWSGI_READ_EOF, APR_SUCCESS);
    return host->read_result == GOWSGI_READ_EOF;
}

static ssize_t host_read(void *ctx, char *buf, size_t cap)
{
    gw_host *host = ctx;
    size_t got = 0;

    if (!host->in)
        host->in = apr_brigade_create(host->r->pool, host->r->connection->bucket_alloc);
    while (host->read_result > 0 && got == 0) {
        got = take_bytes(host, buf, cap);
        if (got == 0 && host->read_result > 0 && APR_BRIGADE_EMPTY(host->in))
            fetch(host, cap, APR_BLOCK_READ);
    }
    /* What arrived in the meantime comes along: one wake-up of the application for a large piece instead of many. */
    got += gw_host_read_ahead(host, buf + got, cap - got);
    return got > 0 ? (ssize_t)got : host->read_result;
}

/* ---- Status and headers ---- */

/* Adds the packed headers to r->headers_out, from one copy of them all: a pair's lengths leave room for the two NULs. */
static int add_headers(request_rec *r, gowsgi_span headers)
{
    char *at = apr_palloc(r->pool, headers.len + 1);
    gowsgi_span name, value;
    int more;

    while ((more = gowsgi_packed_next(&headers, &name, &value)) > 0) {
        const char *key = at;
        memcpy(at, name.data, name.len);
        at += name.len;
        *at++ = '\0';
        const char *text = at;
        memcpy(at, value.data, value.len);
        at += value.len;
        *at++ = '\0';
        if (!ap_cstr_casecmp(key, "Content-Type"))
            ap_set_content_type(r, text);
        else
            apr_table_addn(r->headers_out, key, text);
    }
    return more;
}

static int host_head(void *ctx, int status, gowsgi_span status_line, gowsgi_span headers, int64_t content_length)
{
    gw_host *host = ctx;
    request_rec *r = host->r;

    if (host->refused)
        return -1;
    if (host->sent) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0302: status and headers came after the response had begun; they are "
                      "not sent. This is a defect of mod_gowsgi, please report it");
        return -1;
    }
    if (gw_override_applies(r, status)) {
        gw_override_take(host, status, headers);
        return 0;
    }
    r->status = status;
    r->status_line = apr_pstrmemdup(r->pool, status_line.data, status_line.len);
    /* What mod_mime thinks of the script's file name says nothing about the response. */
    ap_set_content_type(r, NULL);
    if (add_headers(r, headers) < 0) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0303: the response's headers are damaged; they are not sent. This is a "
                      "defect of mod_gowsgi, please report it");
        return -1;
    }
    if (content_length >= 0)
        ap_set_content_length(r, content_length);
    host->answered = 1;
    return 0;
}

void gw_host_forget_head(gw_host *host)
{
    request_rec *r = host->r;

    if (!host->answered || host->sent || host->refused)
        return;
    r->status = HTTP_OK;
    r->status_line = NULL;
    r->clength = 0;
    apr_table_clear(r->headers_out);
    ap_set_content_type(r, NULL);
    host->answered = 0;
}

/* ---- The response body ---- */

static apr_bucket_brigade *out_brigade(gw_host *host)
{
    if (!host->out)
        host->out = apr_brigade_create(host->r->pool, host->r->connection->bucket_alloc);
    return host->out;
}

/* Hands host->out to the filters that begin at first, and empties it. Returns 0, or -1 when the client is gone. */
static int pass(gw_host *host, ap_filter_t *first)
{
    conn_rec *c = host->r->connection;
    apr_status_t rv = host->refused ? APR_ECONNABORTED : ap_pass_brigade(first, host->out);

    host->sent = 1;
    apr_brigade_cleanup(host->out);
    if (rv == APR_SUCCESS && !c->aborted)
        return 0;
    host->replaced = rv == AP_FILTER_ERROR && !c->aborted;
    ap_log_rerror(GW_MARK, APLOG_DEBUG, rv, host->r, "the response was not sent completely: %s",
                  c->aborted ? "the client closed the connection" : "an output filter refused it");
    return -1;
}

/* Sends what httpd holds back. The response's own filters have seen its end already and need no flush, which would keep the
 * content-length filter from computing the length; a subrequest's data is not ours to flush. */
static int flush_connection(gw_host *host)
{
    conn_rec *c = host->r->connection;

    if (host->r->main)
        return 0;
    APR_BRIGADE_INSERT_TAIL(host->out, apr_bucket_flush_create(c->bucket_alloc));
    return pass(host, c->output_filters);
}

static int host_write(void *ctx, gowsgi_span data, unsigned flags)
{
    gw_host *host = ctx;
    apr_bucket_alloc_t *alloc = host->r->connection->bucket_alloc;
    apr_bucket_brigade *out;

    if (host->overridden)
        return 0;
    out = out_brigade(host);
    if (data.len)
        APR_BRIGADE_INSERT_TAIL(out, apr_bucket_transient_create(data.data, data.len, alloc));
    if (flags & GOWSGI_WRITE_LAST)
        APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(alloc));
    else if (flags & GOWSGI_WRITE_FLUSH)
        APR_BRIGADE_INSERT_TAIL(out, apr_bucket_flush_create(alloc));
    else if (!data.len)
        return 0;
    if (pass(host, host->r->output_filters) != 0)
        return -1;
    return flags & GOWSGI_WRITE_LAST ? flush_connection(host) : 0;
}

/* An APR file that is a copy of fd and closes itself with the request. NULL when there is no descriptor left. */
static apr_file_t *copy_of(request_rec *r, int fd)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_int32_t flags = APR_FOPEN_READ | APR_FOPEN_BINARY;
    apr_file_t *borrowed, *file;
    apr_os_file_t own;
    apr_status_t rv;

#if APR_HAS_SENDFILE
    flags |= AP_SENDFILE_ENABLED(core->enable_sendfile);
#endif
    rv = apr_os_file_put(&borrowed, &fd, flags, r->pool);
    if (rv == APR_SUCCESS)
        rv = apr_file_dup(&file, borrowed, r->pool);
    if (rv != APR_SUCCESS) {
        ap_log_rerror(GW_MARK, APLOG_ERR, rv, r, "GWSGI0304: the file that the application returned cannot be sent: its "
                      "descriptor cannot be copied. Raise the limit of open files, or find what leaks them");
        return NULL;
    }
    apr_os_file_get(&own, file);
    fcntl(own, F_SETFD, FD_CLOEXEC);
    return file;
}

static int host_file(void *ctx, int fd, int64_t offset, int64_t length)
{
    gw_host *host = ctx;
    request_rec *r = host->r;
    apr_bucket_brigade *out;

    if (host->overridden)
        return 0;
    out = out_brigade(host);
    if (length > 0) {
        const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
        apr_file_t *file = copy_of(r, fd);
        apr_bucket *b;

        if (!file)
            return -1;
        apr_brigade_insert_file(out, file, offset, length, r->pool);
        if (core->enable_mmap == ENABLE_MMAP_OFF)
            for (b = APR_BRIGADE_FIRST(out); b != APR_BRIGADE_SENTINEL(out); b = APR_BUCKET_NEXT(b))
                if (APR_BUCKET_IS_FILE(b))
                    apr_bucket_file_enable_mmap(b, 0);
    }
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(r->connection->bucket_alloc));
    return pass(host, r->output_filters);
}

/* ---- The end of a response that has none ---- */

/* Makes the close of the connection a reset: for a response whose end only the end of the connection tells. */
static void reset_on_close(conn_rec *c)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t fd;

    if (socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void gw_host_abort(gw_host *host)
{
    request_rec *r = host->r;
    conn_rec *c = r->connection;
    apr_bucket_brigade *out = out_brigade(host);
    int gone;

    /* On this error the chunk filter leaves out its last chunk; mod_cache and mod_http2 know it too. */
    r->no_cache = 1;
    c->keepalive = AP_CONN_CLOSE;
    APR_BRIGADE_INSERT_TAIL(out, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(c->bucket_alloc));
    gone = pass(host, r->output_filters) != 0 || flush_connection(host) != 0;
    if (gone || r->main || c->master)
        return;
    if (!r->chunked && !apr_table_get(r->headers_out, "Content-Length"))
        reset_on_close(c);
    c->aborted = 1;
}

/* ---- Log ---- */

static void host_log(void *ctx, int level, gowsgi_span line)
{
    const gw_host *host = ctx;

    ap_log_rerror(GW_MARK, level, 0, host->r, "%.*s", (int)line.len, line.data);
}

const gowsgi_host gw_host_functions = {
    .size = sizeof(gowsgi_host),
    .read = host_read,
    .head = host_head,
    .write = host_write,
    .file = host_file,
    .log = host_log,
};
