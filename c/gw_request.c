/* This file takes a request for a WSGI script from httpd's handler hook to the library and back. What is asked before, in this
 * order: may this be run, can its body be accepted, which names does it run under, which process serves it. */
#include "gw_request.h"

#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "http_main.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "gw_alias.h"
#include "gw_config.h"
#include "gw_daemon.h"
#include "gw_dispatch.h"
#include "gw_environ.h"
#include "gw_host.h"
#include "gw_loader.h"
#include "gw_log.h"
#include "gw_names.h"
#include "gw_override.h"
#include "gw_owner.h"
#include "gw_value.h"

/* What a request runs as. The strings live as long as the handler's call. */
typedef struct gw_identity {
    const char *script_name, *path_info;
    const char *process_group, *app_group, *callable;
    gw_names names;
} gw_identity;

/* ---- May it be run ---- */

static int check_script(request_rec *r, const gw_alias *alias)
{
    if (!alias && !(ap_allow_options(r) & OPT_EXECCGI)) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0201: %s is not run: Options ExecCGI is off here, and no WSGIScriptAlias "
                      "leads to it. Set one of the two", r->filename);
        return HTTP_FORBIDDEN;
    }
    if (r->finfo.filetype == APR_NOFILE) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0202: the WSGI script %s does not exist, or Apache's user cannot reach it. "
                      "Check the path, and the rights of all folders above it", r->filename);
        return HTTP_NOT_FOUND;
    }
    if (r->finfo.filetype == APR_DIR) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0203: %s is a directory, not a WSGI script. Let the alias or the URL "
                      "name a file", r->filename);
        return HTTP_FORBIDDEN;
    }
    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info && *r->path_info) {
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "%s has no page %s: AcceptPathInfo is off here", r->filename, r->path_info);
        return HTTP_NOT_FOUND;
    }
    return OK;
}

/* ---- Can its body be accepted ---- */

/* What is refused here is the client's doing, so it is logged at level info. */
static int check_body(request_rec *r)
{
    const char *coding = apr_table_get(r->headers_in, "Transfer-Encoding");
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t bytes, limit;

    if (coding && ap_cstr_casecmp(coding, "chunked") != 0) {
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "request refused: unknown Transfer-Encoding %s", coding);
        return HTTP_NOT_IMPLEMENTED;
    }
    if (coding && !gw_dir_num(r, GW_CHUNKED_REQUEST)) {
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "request refused: its body has no Content-Length, and WSGIChunkedRequest is "
                      "Off here");
        return HTTP_LENGTH_REQUIRED;
    }
    if (coding || !length)
        return OK;
    if (!ap_parse_strict_length(&bytes, length)) {
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "request refused: Content-Length %s is not a number", length);
        return HTTP_BAD_REQUEST;
    }
    limit = ap_get_limit_req_body(r);
    if (limit > 0 && bytes > limit) {
        ap_log_rerror(GW_MARK, APLOG_INFO, 0, r, "request refused: its body of %" APR_OFF_T_FMT " bytes is longer than "
                      "LimitRequestBody allows (%" APR_OFF_T_FMT ")", bytes, limit);
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    return OK;
}

/* ---- Which names does it run under ---- */

/* The dispatch script may choose first, then the alias, then the directive. */
static int choose(request_rec *r, gw_identity *id, const char *dispatched, const char *option, gw_directive_id directive,
                  const char **out)
{
    const char *subject = dispatched ? "WSGIDispatchScript:" : gw_directives[directive].name;
    const char *template = dispatched ? dispatched : option ? option : gw_dir_str(r, directive);

    return gw_names_expand(&id->names, r, id->script_name, subject, template, "the request is answered with 500", out);
}

static int identify(request_rec *r, const gw_alias *alias, gw_identity *id)
{
    static const gw_alias none;
    const gw_alias *options = alias ? alias : &none;
    gw_dispatch chosen;
    int status;

    gw_names_init(&id->names);
    gw_environ_split(r, &id->script_name, &id->path_info);
    status = gw_dispatch_ask(r, &chosen);
    if (status == OK)
        status = choose(r, id, chosen.process_group, options->process_group, GW_PROCESS_GROUP, &id->process_group);
    if (status == OK)
        status = choose(r, id, chosen.app_group, options->app_group, GW_APPLICATION_GROUP, &id->app_group);
    if (status == OK)
        status = choose(r, id, chosen.callable, options->callable, GW_CALLABLE_OBJECT, &id->callable);
    return status;
}

/* ---- Which process serves it ---- */

/* "" among the names stands for Apache's own processes. */
static int is_listed(const apr_array_header_t *names, const char *group)
{
    for (int i = 0; i < names->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(names, i, const char *), group) == 0)
            return 1;
    return 0;
}

/* Whether the request may go to Apache's own process. */
static int route_embedded(request_rec *r)
{
    const char *refusal;

    if (gw_global_num(ap_server_conf, GW_RESTRICT_EMBEDDED)) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0207: %s is not run in Apache's own processes: WSGIRestrictEmbedded is On. "
                      "Delegate it to a daemon process group with WSGIProcessGroup", r->filename);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    refusal = gw_loader_refusal();
    if (refusal) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0208: %s cannot be run: %s", r->filename, refusal);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* Whether the request may go to the daemon process group of that name; *out is it. */
static int route_daemon(request_rec *r, const char *group, gw_group **out)
{
    const gw_daemon *daemon;

    *out = gw_group_find(group);
    daemon = *out ? (*out)->daemon : NULL;
    if (daemon && gw_group_serves(daemon, r->server))
        return gw_owner_check(r, daemon);
    if (!daemon)
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0210: %s is to run in the process group %s, but no WSGIDaemonProcess "
                      "declares it; the request is answered with 500. Declare it, or correct the name", r->filename, group);
    else
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0211: %s is to run in the process group %s, which belongs to the virtual "
                      "host %s (%s:%d); the request is answered with 500. Declare the group outside of virtual hosts to share it",
                      r->filename, group, daemon->server->server_hostname, daemon->file, daemon->line);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* Decides where the request is served: *out is the daemon process group, or NULL for this process. Anything but OK is the status to
 * answer. */
static int gw_request_route(request_rec *r, const char *group, gw_group **out)
{
    const apr_array_header_t *allowed = gw_dir_ptr(r, GW_RESTRICT_PROCESS);
    int status = *group ? OK : route_embedded(r);

    if (status == OK && allowed && !is_listed(allowed, group)) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0209: %s is to run in %s%s, which WSGIRestrictProcess does not allow here; "
                      "the request is answered with 500. Select a group that it allows, or let it allow this one",
                      r->filename, *group ? "the process group " : "Apache's own processes", group);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (status == OK && *group)
        status = route_daemon(r, group, out);
    return status;
}

/* ---- Serving it ---- */

/* The status for a request that failed before anything was sent. When its body could not be read, that is the client's fault
 * rather than the application's, which only saw the error. */
static int failure_status(const gw_host *host, int status)
{
    switch (host->read_result) {
    case GOWSGI_READ_TIMEOUT:
        return HTTP_REQUEST_TIME_OUT;
    case GOWSGI_READ_TOO_LARGE:
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    case GOWSGI_READ_MALFORMED:
    case GOWSGI_READ_GONE:
        return HTTP_BAD_REQUEST;
    default:
        return ap_is_HTTP_ERROR(status) ? status : HTTP_INTERNAL_SERVER_ERROR;
    }
}

/* What httpd is to do after the application. */
static int conclude(gw_host *host, gowsgi_outcome outcome, int status)
{
    conn_rec *c = host->r->connection;

    if (outcome == GOWSGI_DONE && host->overridden)
        return gw_override_conclude(host);
    if (outcome == GOWSGI_DONE || host->replaced)
        return OK;
    if (host->refused)
        return AP_FILTER_ERROR;
    if (outcome == GOWSGI_GONE)
        c->keepalive = AP_CONN_CLOSE;
    else if (host->sent) {
        gw_host_abort(host);
        return OK;
    }
    /* Nobody may be left to see this status, but the access log shows it. */
    if (!host->sent) {
        gw_host_forget_head(host);
        return failure_status(host, outcome == GOWSGI_GONE ? HTTP_BAD_REQUEST : status);
    }
    return OK;
}

/* The method that the application sees. The headers of a HEAD response are to be those of GET, which a filter over the content
 * changes only when it has that content. */
static const char *method_of(const request_rec *r)
{
    long map = r->header_only ? gw_dir_num(r, GW_MAP_HEAD_TO_GET) : GW_MAP_HEAD_OFF;

    if (map == GW_MAP_HEAD_ON || (map == GW_MAP_HEAD_AUTO && r->output_filters->frec->ftype < AP_FTYPE_PROTOCOL))
        return "GET";
    return r->method;
}

static gowsgi_span span_of(const char *text)
{
    return (gowsgi_span){ text, strlen(text) };
}

static unsigned flags_of(const request_rec *r, int daemon)
{
    unsigned flags = 0;

    if (gw_dir_num(r, GW_SCRIPT_RELOADING))
        flags |= GOWSGI_REQ_RELOAD;
    if (gw_dir_num(r, GW_RELOAD_MECHANISM) == GW_RELOAD_INTERPRETER)
        flags |= GOWSGI_REQ_RELOAD_INTERPRETER;
    else if (daemon && gw_dir_num(r, GW_RELOAD_MECHANISM) == GW_RELOAD_PROCESS)
        flags |= GOWSGI_REQ_RELOAD_PROCESS;
    if (daemon && gw_dir_num(r, GW_IGNORE_ACTIVITY))
        flags |= GOWSGI_REQ_IGNORE_ACTIVITY;
    if (r->header_only)
        flags |= GOWSGI_REQ_HEAD;
    return flags;
}

static int serve(request_rec *r, const gw_alias *alias, const gw_identity *id, gw_group *group)
{
    char buffer[GW_ENVIRON_BUFFER];
    const gw_environ_facts facts = {
        .method = method_of(r),
        .script_name = id->script_name,
        .path_info = id->path_info,
        .process_group = id->process_group,
        .app_group = id->app_group,
        .callable = id->callable,
        .pass_authorization = alias && alias->pass_authorization >= 0 ? alias->pass_authorization
                                                                       : gw_dir_num(r, GW_PASS_AUTHORIZATION) != 0,
    };
    gw_host host;
    gowsgi_request request = {
        .size = sizeof request,
        .host = &gw_host_functions,
        .host_ctx = &host,
        .environ = gw_environ_pack(r, &facts, buffer, sizeof buffer),
        .script = span_of(r->filename),
        .app_group = span_of(id->app_group),
        .callable = span_of(id->callable),
        .script_mtime = r->finfo.valid & APR_FINFO_MTIME ? r->finfo.mtime : 0,
        .start_time = r->request_time,
        .flags = flags_of(r, group != NULL),
        .status = HTTP_INTERNAL_SERVER_ERROR,
    };
    gowsgi_outcome outcome;

    gw_host_init(&host, r);
    outcome = group ? gw_daemon_serve(group, &request, &host) : gw_loader_serve(&request);
    return conclude(&host, outcome, request.status);
}

int gw_request_handler(request_rec *r)
{
    gw_group *group = NULL;
    const gw_alias *alias;
    gw_identity id;
    int status;

    if (!r->handler || strcmp(r->handler, GW_REQUEST_HANDLER) != 0)
        return DECLINED;
    alias = gw_alias_of(r);
    status = check_script(r, alias);
    if (status == OK)
        status = check_body(r);
    if (status == OK)
        status = identify(r, alias, &id);
    if (status == OK)
        status = gw_request_route(r, id.process_group, &group);
    return status == OK ? serve(r, alias, &id, group) : status;
}
