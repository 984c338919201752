/* This file asks functions of scripts, in this process, on behalf of httpd's access control and of dispatching. */
#include "gw_hook.h"

#include "apr_file_info.h"
#include "http_core.h"

#include "gw_loader.h"
#include "gw_log.h"
#include "gw_value.h"

static char *room(void *host_ctx, size_t len)
{
    const gw_host *host = host_ctx;

    return apr_palloc(host->r->pool, len);
}

static gowsgi_span span_of(const char *text)
{
    return (gowsgi_span){ text, strlen(text) };
}

/* A script that vanished is not asked any more, though it is loaded. */
static int find_script(gw_hook *hook, request_rec *r, const char *path)
{
    apr_finfo_t info;
    apr_status_t rv;

    if (!gw_dir_num(r, GW_SCRIPT_RELOADING))
        return OK;
    rv = apr_stat(&info, path, APR_FINFO_MTIME, r->pool);
    if (rv != APR_SUCCESS) {
        ap_log_rerror(GW_MARK, APLOG_ERR, rv, r, "GWSGI1201: %s '%s' cannot be read; %s", hook->call.role, path,
                      hook->call.consequence);
        return HTTP_FORBIDDEN;
    }
    hook->call.flags = GOWSGI_HOOK_RELOAD;
    hook->call.script_mtime = info.mtime;
    return OK;
}

int gw_hook_open(gw_hook *hook, request_rec *r, gw_directive_id role, const char *consequence, unsigned shown)
{
    const gw_hook_script *script = gw_dir_ptr(r, role);
    const char *refusal = gw_loader_refusal(), *app_group;

    gw_host_init(&hook->host, r);
    gw_names_init(&hook->names);
    hook->call = (gowsgi_hook){ .size = sizeof hook->call, .host = &gw_host_functions, .host_ctx = &hook->host, .room = room,
                                .role = gw_directives[role].name, .consequence = consequence };
    if (refusal) {
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI1208: %s '%s' cannot be asked: %s; the request is answered with 500",
                      hook->call.role, script->script, refusal);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (gw_names_expand(&hook->names, r, r->uri, hook->call.role, script->app_group, consequence, &app_group) != OK
        || find_script(hook, r, script->script) != OK)
        return HTTP_FORBIDDEN;
    hook->call.script = span_of(script->script);
    hook->call.app_group = span_of(app_group);
    hook->call.environ = gw_environ_pack_question(r, app_group, shown, hook->environ, sizeof hook->environ);
    return OK;
}

gowsgi_answer gw_hook_ask(gw_hook *hook, const char *function, unsigned flags, const char *first, const char *second)
{
    const unsigned reload = hook->call.flags & GOWSGI_HOOK_RELOAD;

    hook->call.function = span_of(function);
    hook->call.flags = flags | reload;
    hook->call.arg_count = 0;
    if (first)
        hook->call.args[hook->call.arg_count++] = span_of(first);
    if (second)
        hook->call.args[hook->call.arg_count++] = span_of(second);
    return gw_loader_ask(&hook->call);
}
