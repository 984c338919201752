/* This file packs the environ of a WSGI application straight from httpd's records. It does not go through
 * ap_add_common_vars() and ap_add_cgi_vars(): filling a table only to empty it again was a sizeable part of a small request. */
#include "gw_environ.h"

#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "util_script.h"

#include "gowsgi_packed.h"

/* Bytes being packed. */
typedef struct packer {
    char *start, *at, *end;
    apr_pool_t *pool;            /* where a larger buffer comes from */
} packer;

static void grow(packer *p, size_t need)
{
    size_t used = (size_t)(p->at - p->start);
    size_t cap = (size_t)(p->end - p->start) * 2;
    char *larger;

    while (cap - used < need)
        cap *= 2;
    larger = apr_palloc(p->pool, cap);
    memcpy(larger, p->start, used);
    p->start = larger;
    p->at = larger + used;
    p->end = larger + cap;
}

static inline void put(packer *p, const char *name, size_t name_len, const char *value, size_t value_len)
{
    size_t need = GOWSGI_PACKED_PAIR_OVERHEAD + name_len + value_len;

    if (need > (size_t)(p->end - p->at))
        grow(p, need);
    p->at = gowsgi_packed_put(p->at, (gowsgi_span){ name, name_len }, (gowsgi_span){ value, value_len });
}

/* The name is a literal. */
#define PUT(p, name, value) put_text(p, "" name, sizeof(name) - 1, value)
#define PUT_IF(p, name, value) put_if(p, "" name, sizeof(name) - 1, value)
#define PUT_NUMBER(p, name, number) put_number(p, "" name, sizeof(name) - 1, number)

static inline void put_text(packer *p, const char *name, size_t name_len, const char *value)
{
    if (!value)
        value = "";
    put(p, name, name_len, value, strlen(value));
}

static inline void put_if(packer *p, const char *name, size_t name_len, const char *value)
{
    if (value)
        put(p, name, name_len, value, strlen(value));
}

static void put_number(packer *p, const char *name, size_t name_len, unsigned long number)
{
    char digits[sizeof(number) * 3];
    char *at = digits + sizeof digits;

    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    put(p, name, name_len, at, (size_t)(digits + sizeof digits - at));
}

/* ---- SCRIPT_NAME and PATH_INFO ---- */

void gw_environ_split(request_rec *r, const char **script_name, const char **path_info)
{
    *path_info = r->path_info ? r->path_info : "";
    if (!**path_info)
        *script_name = r->uri;
    else
        *script_name = apr_pstrmemdup(r->pool, r->uri, (apr_size_t)ap_find_path_info(r->uri, *path_info));
}

/* ---- Variables that other modules set ---- */

static int means_on(const char *value)
{
    return !ap_cstr_casecmp(value, "on") || !strcmp(value, "1") || !ap_cstr_casecmp(value, "true");
}

/* HTTPS itself is left out: it becomes wsgi.url_scheme. Returns whether it said that the client came by https. */
static int put_subprocess_env(packer *p, request_rec *r)
{
    const apr_array_header_t *all = apr_table_elts(r->subprocess_env);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)all->elts;
    int https = 0;

    for (int i = 0; i < all->nelts; i++) {
        if (!entry[i].key)
            continue;
        if ((entry[i].key[0] | 0x20) == 'h' && !ap_cstr_casecmp(entry[i].key, "HTTPS"))
            https = means_on(entry[i].val ? entry[i].val : "");
        else
            put_text(p, entry[i].key, strlen(entry[i].key), entry[i].val);
    }
    return https;
}

/* ---- CGI variables ---- */

/* The second word of the request line: what the client asked for, before any rewriting. */
static void put_request_uri(packer *p, const request_rec *r)
{
    const char *first = r->the_request ? r->the_request : "";
    size_t len;

    first += strcspn(first, " \t");
    first += strspn(first, " \t");
    len = strcspn(first, " \t");
    put(p, "REQUEST_URI", sizeof("REQUEST_URI") - 1, first, len);
}

/* With UseCanonicalName Off this comes from the client, and pages tend to show it as it is. */
static const char *server_name(request_rec *r)
{
    const char *name = ap_get_server_name_for_url(r);

    return strpbrk(name, "<>&\"") ? ap_escape_html(r->pool, name) : name;
}

static void put_user(packer *p, const request_rec *r)
{
    const request_rec *before;

    PUT_IF(p, "AUTH_TYPE", r->ap_auth_type);
    if (r->user) {
        PUT(p, "REMOTE_USER", r->user);
        return;
    }
    for (before = r->prev; before; before = before->prev)
        if (before->user) {
            PUT(p, "REDIRECT_REMOTE_USER", before->user);
            return;
        }
}

static void put_cgi(packer *p, request_rec *r, const char *method, const char *script_name, const char *path_info)
{
    const conn_rec *c = r->connection;

    PUT(p, "REQUEST_METHOD", method);
    PUT(p, "QUERY_STRING", r->args);
    put_request_uri(p, r);
    PUT(p, "SCRIPT_NAME", script_name);
    PUT(p, "PATH_INFO", path_info);
    PUT(p, "SCRIPT_FILENAME", r->filename);
    PUT(p, "DOCUMENT_ROOT", ap_document_root(r));
    PUT(p, "CONTEXT_PREFIX", ap_context_prefix(r));
    PUT(p, "CONTEXT_DOCUMENT_ROOT", ap_context_document_root(r));
    PUT(p, "SERVER_PROTOCOL", r->protocol);
    PUT(p, "SERVER_SOFTWARE", ap_get_server_banner());
    PUT(p, "SERVER_NAME", server_name(r));
    PUT_NUMBER(p, "SERVER_PORT", ap_get_server_port(r));
    PUT_IF(p, "SERVER_ADMIN", r->server->server_admin);
    PUT(p, "SERVER_ADDR", c->local_ip);
    PUT(p, "REMOTE_ADDR", r->useragent_ip);
    PUT_NUMBER(p, "REMOTE_PORT", r->useragent_addr->port);
    PUT(p, "REQUEST_SCHEME", ap_http_scheme(r));
    if (r->prev) {
        PUT_IF(p, "REDIRECT_URL", r->prev->uri);
        PUT_IF(p, "REDIRECT_QUERY_STRING", r->prev->args);
    }
}

/* ---- Request headers ---- */

/* A header's name as it continues HTTP_: letters in upper case, '-' as '_'. Returns 0 when it has any other character: such a
 * name could pass itself off as another one. */
static int variable_name(char *to, const char *name)
{
    for (; *name; name++) {
        if (*name >= 'a' && *name <= 'z')
            *to++ = (char)(*name - 'a' + 'A');
        else if ((*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9'))
            *to++ = *name;
        else if (*name == '-')
            *to++ = '_';
        else
            return 0;
    }
    return 1;
}

static int cgi_pass_auth(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    return core->cgi_pass_auth == AP_CGI_PASS_AUTH_ON;
}

/* Which credentials of the client are shown. */
typedef enum credentials {
    CREDENTIALS_NONE,            /* whatever httpd's own directives say */
    CREDENTIALS_AS_CGI,          /* those that CGIPassAuth allows */
    CREDENTIALS_AUTHORIZATION    /* and Authorization in any case */
} credentials;

/* Headers that are not HTTP_<name>, or not always. Returns 1 when the header has been dealt with. */
static int put_special_header(packer *p, const request_rec *r, const char *name, const char *value, credentials shown)
{
    switch (name[0] | 0x20) {
    case 'c':
        if (!ap_cstr_casecmp(name, "Content-Type"))
            PUT(p, "CONTENT_TYPE", value);
        else if (!ap_cstr_casecmp(name, "Content-Length"))
            PUT(p, "CONTENT_LENGTH", value);
        else
            return 0;
        return 1;
    case 'a':
        return !ap_cstr_casecmp(name, "Authorization") && shown != CREDENTIALS_AUTHORIZATION
               && (shown == CREDENTIALS_NONE || !cgi_pass_auth(r));
    case 'p':
        /* HTTP_PROXY would direct the HTTP clients of careless programs. */
        return !ap_cstr_casecmp(name, "Proxy")
               || (!ap_cstr_casecmp(name, "Proxy-Authorization") && (shown == CREDENTIALS_NONE || !cgi_pass_auth(r)));
    default:
        return 0;
    }
}

static void put_headers(packer *p, const request_rec *r, credentials shown)
{
    static const char prefix[] = "HTTP_";
    const size_t prefix_len = sizeof(prefix) - 1;
    const apr_array_header_t *all = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)all->elts;

    for (int i = 0; i < all->nelts; i++) {
        const char *name = entry[i].key, *value = entry[i].val;
        size_t name_len, value_len;
        char *at;

        if (!name || !value || put_special_header(p, r, name, value, shown))
            continue;
        name_len = strlen(name);
        value_len = strlen(value);
        if (GOWSGI_PACKED_PAIR_OVERHEAD + prefix_len + name_len + value_len > (size_t)(p->end - p->at))
            grow(p, GOWSGI_PACKED_PAIR_OVERHEAD + prefix_len + name_len + value_len);
        at = p->at + GOWSGI_PACKED_PAIR_OVERHEAD;
        memcpy(at, prefix, prefix_len);
        if (!variable_name(at + prefix_len, name))
            continue;
        gowsgi_put_u32(p->at, (uint32_t)(prefix_len + name_len));
        gowsgi_put_u32(p->at + 4, (uint32_t)value_len);
        memcpy(at + prefix_len + name_len, value, value_len);
        p->at = at + prefix_len + name_len + value_len;
    }
}

/* ---- mod_wsgi.* and wsgi.* ---- */

/* The ids that %L of ErrorLogFormat and LogFormat shows; made when nothing was logged yet. */
static void make_log_ids(request_rec *r)
{
    if (!r->connection->log_id)
        ap_run_generate_log_id(r->connection, NULL, &r->connection->log_id);
    if (!r->log_id)
        ap_run_generate_log_id(r->connection, r, &r->log_id);
}

static void put_connection(packer *p, request_rec *r)
{
    const conn_rec *c = r->connection;

    make_log_ids(r);
    PUT(p, "mod_wsgi.listener_host", c->local_addr->hostname);
    PUT_NUMBER(p, "mod_wsgi.listener_port", c->local_addr->port);
    PUT_NUMBER(p, "mod_wsgi.server_pid", (unsigned long)getpid());
    PUT(p, "mod_wsgi.request_id", r->log_id);
    PUT(p, "mod_wsgi.connection_id", c->log_id);
}

static void put_wsgi(packer *p, request_rec *r, const gw_environ_facts *facts, int https)
{
    PUT(p, "mod_wsgi.process_group", facts->process_group);
    PUT(p, "mod_wsgi.application_group", facts->app_group);
    PUT(p, "mod_wsgi.callable_object", facts->callable);
    PUT(p, "mod_wsgi.request_handler", r->handler);
    PUT(p, "mod_wsgi.handler_script", "");
    PUT(p, "mod_wsgi.script_name", facts->script_name);
    PUT(p, "mod_wsgi.path_info", facts->path_info);
    put_connection(p, r);
    PUT(p, "wsgi.url_scheme", https ? "https" : ap_http_scheme(r));
}

gowsgi_span gw_environ_pack(request_rec *r, const gw_environ_facts *facts, char *buf, size_t cap)
{
    packer p = { buf, buf, buf + cap, r->pool };
    int https = put_subprocess_env(&p, r);

    put_cgi(&p, r, facts->method, facts->script_name, facts->path_info);
    put_user(&p, r);
    put_headers(&p, r, facts->pass_authorization ? CREDENTIALS_AUTHORIZATION : CREDENTIALS_AS_CGI);
    put_wsgi(&p, r, facts, https);
    return (gowsgi_span){ p.start, (size_t)(p.at - p.start) };
}

gowsgi_span gw_environ_pack_question(request_rec *r, const char *app_group, unsigned shown, char *buf, size_t cap)
{
    packer p = { buf, buf, buf + cap, r->pool };
    const char *script_name, *path_info;
    int https = shown & GW_SHOW_VARIABLES && put_subprocess_env(&p, r);

    gw_environ_split(r, &script_name, &path_info);
    put_cgi(&p, r, r->method, script_name, path_info);
    if (shown & GW_SHOW_USER)
        put_user(&p, r);
    PUT(&p, "SERVER_SIGNATURE", ap_psignature("", r));
    PUT_IF(&p, "REMOTE_HOST", ap_get_useragent_host(r, REMOTE_HOST, NULL));
    put_headers(&p, r, CREDENTIALS_NONE);
    PUT(&p, "mod_wsgi.process_group", "");
    PUT(&p, "mod_wsgi.application_group", app_group);
    put_connection(&p, r);
    PUT(&p, "wsgi.url_scheme", https ? "https" : ap_http_scheme(r));
    return (gowsgi_span){ p.start, (size_t)(p.at - p.start) };
}
