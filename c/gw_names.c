/* This file expands the templates of groups and callables for a request. */
#include "gw_names.h"

#include <stdlib.h>

#include "http_main.h"

#include "gw_config.h"
#include "gw_log.h"

static const char *variable(void *ctx, const char *name)
{
    const request_rec *r = ctx;
    const char *value = apr_table_get(r->notes, name);

    if (!value)
        value = apr_table_get(r->subprocess_env, name);
    return value ? value : getenv(name);
}

/* The port in the names of groups: that of ServerName, else the one that the request arrived over. Not ap_get_server_port():
 * that believes the Host header, and a client could make us start an interpreter for each of 65535 ports. */
static unsigned group_port(const request_rec *r)
{
    return r->server->port ? r->server->port : r->connection->local_addr->port;
}

void gw_names_init(gw_names *names)
{
    names->at = names->buffer;
}

int gw_names_expand(gw_names *names, request_rec *r, const char *script_name, const char *subject, const char *template,
                    const char *consequence, const char **out)
{
    const gw_expand_source source = {
        .server_name = r->server->server_hostname,
        .port = group_port(r),
        .script_name = script_name,
        .ignore_case = !gw_global_num(ap_server_conf, GW_CASE_SENSITIVITY),
        .env = variable,
        .env_ctx = r,
    };
    const char *end = names->buffer + sizeof names->buffer;
    gw_expansion result;
    gw_expand_status status = gw_expand(template, &source, names->at, (size_t)(end - names->at), &result);

    *out = result.text;
    switch (status) {
    case GW_EXPAND_OK:
        if (result.text == names->at)
            names->at += result.len + 1;
        return OK;
    case GW_EXPAND_UNDEFINED:
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0204: %s %s: the variable %s is defined neither for this request nor in "
                      "Apache's environment; %s. Set it (SetEnv, SetEnvIf, RewriteRule [E=...])", subject, template, result.text,
                      consequence);
        break;
    case GW_EXPAND_INVALID:
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0205: %s %s leads to %s, which cannot be expanded; %s. Let the variable "
                      "hold a name", subject, template, result.text, consequence);
        break;
    case GW_EXPAND_TOO_LONG:
        ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0206: %s %s makes a name that is too long; %s. Use a shorter name", subject,
                      template, consequence);
        break;
    }
    return HTTP_INTERNAL_SERVER_ERROR;
}
