/* This file expands templates; see expand.h for what they are. It is compiled into mod_gowsgi.so, and by cgo into package
 * directives. */
#include "expand.h"

#include <string.h>

#define ENV_PREFIX "%{ENV:"
#define ENV_PREFIX_LEN (sizeof ENV_PREFIX - 1)

/* What %{...} is, or 0 when it is no variable. The form %{ENV:} counts as a variable without a name. */
static int variable_of(const char *text)
{
    if (strcmp(text, "%{GLOBAL}") == 0)
        return GW_TEMPLATE_GLOBAL;
    if (strcmp(text, "%{SERVER}") == 0)
        return GW_TEMPLATE_SERVER;
    if (strcmp(text, "%{RESOURCE}") == 0)
        return GW_TEMPLATE_RESOURCE;
    if (strncmp(text, ENV_PREFIX, ENV_PREFIX_LEN) == 0) {
        const char *end = strchr(text, '}');
        if (end && end[1] == '\0')
            return GW_TEMPLATE_ENV;
    }
    return 0;
}

static void set(gw_expansion *out, const char *text, size_t len)
{
    out->text = text;
    out->len = len;
}

/* A place in the buffer that is being filled; full is set when something did not fit. */
typedef struct cursor {
    char *at, *end;
    int full;
} cursor;

static void put(cursor *c, const char *data, size_t len)
{
    if (len > (size_t)(c->end - c->at)) {
        c->full = 1;
        return;
    }
    memcpy(c->at, data, len);
    c->at += len;
}

static void put_port(cursor *c, unsigned port)
{
    char digits[sizeof(port) * 3 + 1];
    char *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + port % 10);
        port /= 10;
    } while (port);
    *--first = ':';
    put(c, first, (size_t)(digits + sizeof digits - first));
}

/* The script name, byte by byte: a '/' that follows one is left out. */
static void put_script(cursor *c, const char *script, int ignore_case)
{
    for (const char *s = script; *s; s++) {
        if (s[0] == '/' && s != script && s[-1] == '/')
            continue;
        char byte = *s;
        if (ignore_case && byte >= 'A' && byte <= 'Z')
            byte = (char)(byte - 'A' + 'a');
        put(c, &byte, 1);
    }
}

static int port_shown(const gw_expand_source *source)
{
    return source->port != 0 && source->port != 80 && source->port != 443;
}

/* %{SERVER} and %{RESOURCE}. */
static gw_expand_status expand_server(const gw_expand_source *source, int resource, char *buf, size_t cap, gw_expansion *out)
{
    const char *host = source->server_name ? source->server_name : "";
    if (!resource && !port_shown(source)) {
        set(out, host, strlen(host));
        return GW_EXPAND_OK;
    }
    if (cap == 0)
        return GW_EXPAND_TOO_LONG;
    cursor c = { buf, buf + cap - 1, 0 };
    put(&c, host, strlen(host));
    if (port_shown(source))
        put_port(&c, source->port);
    if (resource) {
        put(&c, "|", 1);
        put_script(&c, source->script_name ? source->script_name : "", source->ignore_case);
    }
    if (c.full)
        return GW_EXPAND_TOO_LONG;
    *c.at = '\0';
    set(out, buf, (size_t)(c.at - buf));
    return GW_EXPAND_OK;
}

/* %{ENV:variable}: its value, or NULL with *status and out set. */
static const char *lookup(const char *text, const gw_expand_source *source, char *buf, size_t cap, gw_expansion *out,
                          gw_expand_status *status)
{
    size_t len = strlen(text) - ENV_PREFIX_LEN - 1;
    if (len >= cap) {
        *status = GW_EXPAND_TOO_LONG;
        return NULL;
    }
    memcpy(buf, text + ENV_PREFIX_LEN, len);
    buf[len] = '\0';
    const char *value = source->env && len ? source->env(source->env_ctx, buf) : NULL;
    if (!value) {
        set(out, buf, len);
        *status = GW_EXPAND_UNDEFINED;
    }
    return value;
}

gw_expand_status gw_expand(const char *text, const gw_expand_source *source, char *buf, size_t cap, gw_expansion *out)
{
    gw_expand_status status = GW_EXPAND_OK;
    int variable;

    set(out, text, strlen(text));
    if (text[0] != '%' || text[1] != '{')
        return GW_EXPAND_OK;
    variable = variable_of(text);
    if (variable == GW_TEMPLATE_ENV) {
        const char *value = lookup(text, source, buf, cap, out, &status);
        if (!value)
            return status;
        set(out, value, strlen(value));
        if (value[0] != '%' || value[1] != '{')
            return GW_EXPAND_OK;
        variable = variable_of(value);
    }
    switch (variable) {
    case GW_TEMPLATE_GLOBAL:
        set(out, "", 0);
        return GW_EXPAND_OK;
    case GW_TEMPLATE_SERVER:
        return expand_server(source, 0, buf, cap, out);
    case GW_TEMPLATE_RESOURCE:
        return expand_server(source, 1, buf, cap, out);
    default: /* no variable, or a variable's value that asks for another variable */
        return GW_EXPAND_INVALID;
    }
}

gw_template_fault gw_template_check(const char *text, int allowed)
{
    const char *open = strstr(text, "%{");
    const char *close = open ? strchr(open, '}') : NULL;

    if (!open)
        return GW_TEMPLATE_GOOD;
    if (open != text || !close || close[1] != '\0')
        return GW_TEMPLATE_PARTIAL;
    if (!(variable_of(text) & allowed))
        return GW_TEMPLATE_UNKNOWN;
    if (strcmp(text, ENV_PREFIX "}") == 0)
        return GW_TEMPLATE_NAMELESS;
    return GW_TEMPLATE_GOOD;
}
