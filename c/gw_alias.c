/* This file leads URLs to scripts: WSGIScriptAlias and WSGIScriptAliasMatch. */
#include "gw_alias.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"

/* If uri is at or below prefix: what follows it in uri; else NULL. A run of '/' is the same as one. Without a '/' at its end, the
 * prefix only matches whole segments: /name is not in /names. */
static const char *rest_below(const char *uri, const char *prefix)
{
    int slash = 0;

    while (*prefix) {
        slash = *prefix == '/';
        if (*prefix != *uri)
            return NULL;
        prefix++;
        uri++;
        while (slash && *prefix == '/')
            prefix++;
        while (slash && *uri == '/')
            uri++;
    }
    return slash || *uri == '\0' || *uri == '/' ? uri : NULL;
}

/* Target and rest as one path. When what matched in the URL ended with '/', the rest is below the target, whether or not that
 * ends with '/' too: WSGIScriptAlias / /app.wsgi leads /page to /app.wsgi/page. */
static char *join(apr_pool_t *p, const char *target, int slash, const char *rest)
{
    size_t len = strlen(target);
    int ends = len > 0 && target[len - 1] == '/';

    while (ends && *rest == '/')
        rest++;
    return apr_pstrcat(p, target, slash && !ends && *rest != '/' ? "/" : "", rest, NULL);
}

/* The file that an alias makes of the request's URL, or NULL when it does not match. */
static char *path_of(request_rec *r, const gw_alias *alias)
{
    ap_regmatch_t match[AP_MAX_REG_MATCH];
    const char *rest;
    char *target;
    size_t len;

    if (!alias->regex) {
        rest = rest_below(r->uri, alias->url);
        len = strlen(alias->url);
        return rest ? join(r->pool, alias->target, alias->url[len - 1] == '/', rest) : NULL;
    }
    if (ap_regexec(alias->regex, r->uri, AP_MAX_REG_MATCH, match, 0) != 0)
        return NULL;
    target = ap_pregsub(r->pool, alias->target, r->uri, AP_MAX_REG_MATCH, match);
    if (!target)
        return NULL;
    rest = r->uri + match[0].rm_eo;
    target = join(r->pool, target, match[0].rm_eo > 0 && rest[-1] == '/', rest);
    return target[0] == '/' ? target : ap_server_root_relative(r->pool, target);
}

int gw_alias_translate(request_rec *r)
{
    const gw_server_config *conf = gw_server_config_of(r->server);

    /* "OPTIONS *", and what another module has turned into a request to somewhere else. */
    if (!r->uri || r->uri[0] != '/' || r->proxyreq || (r->filename && strncmp(r->filename, "proxy:", 6) == 0))
        return DECLINED;
    for (int i = 0; i < conf->aliases->nelts; i++) {
        const gw_alias *alias = &APR_ARRAY_IDX(conf->aliases, i, const gw_alias);
        char *path = path_of(r, alias);
        if (path) {
            r->filename = path;
            r->handler = "wsgi-script";
            ap_set_module_config(r->request_config, gw_module, (void *)alias);
            return OK;
        }
    }
    return DECLINED;
}

const gw_alias *gw_alias_of(const request_rec *r)
{
    return ap_get_module_config(r->request_config, gw_module);
}
