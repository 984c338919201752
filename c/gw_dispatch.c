/* This file asks the functions of a WSGIDispatchScript. */
#include "gw_dispatch.h"

#include "gw_hook.h"
#include "gw_log.h"
#include "gw_value.h"

static const char consequence[] = "the request is answered with 500";

/* What a function returned must be what the directive of the same purpose takes. */
static int choose(gw_hook *hook, const char *function, gw_directive_id purpose, const char **out)
{
    const int takes_global = gw_directives[purpose].kind == GW_KIND_GROUP;
    const unsigned flags = GOWSGI_HOOK_OPTIONAL | GOWSGI_HOOK_NONE | GOWSGI_HOOK_STR | GOWSGI_HOOK_BYTES
                           | (takes_global ? GOWSGI_HOOK_EMPTY : 0);
    request_rec *r = hook->host.r;
    gw_value value = { 0 };
    const char *fault;

    switch (gw_hook_ask(hook, function, flags, NULL, NULL)) {
    case GOWSGI_ANSWER_ABSENT:
    case GOWSGI_ANSWER_NONE:
        return OK;
    case GOWSGI_ANSWER_TEXT:
        *out = hook->call.answer.len ? hook->call.answer.data : "%{GLOBAL}"; /* whose name is the empty one */
        fault = gw_value_read(r->pool, &gw_directives[purpose], *out, &value);
        if (!fault)
            return OK;
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI1212: WSGIDispatchScript '%s': %s() returned '%s': %s; %s",
                      hook->call.script.data, function, *out, fault, consequence);
        return HTTP_INTERNAL_SERVER_ERROR;
    default:
        return HTTP_INTERNAL_SERVER_ERROR;
    }
}

int gw_dispatch_ask(request_rec *r, gw_dispatch *out)
{
    gw_hook hook;
    int status;

    *out = (gw_dispatch){ NULL, NULL, NULL };
    if (!gw_dir_ptr(r, GW_DISPATCH_SCRIPT))
        return OK;
    if (gw_hook_open(&hook, r, GW_DISPATCH_SCRIPT, consequence, GW_SHOW_USER | GW_SHOW_VARIABLES) != OK)
        return HTTP_INTERNAL_SERVER_ERROR;
    status = choose(&hook, "process_group", GW_PROCESS_GROUP, &out->process_group);
    if (status == OK)
        status = choose(&hook, "application_group", GW_APPLICATION_GROUP, &out->app_group);
    if (status == OK)
        status = choose(&hook, "callable_object", GW_CALLABLE_OBJECT, &out->callable);
    return status;
}
