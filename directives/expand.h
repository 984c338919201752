/* This file declares how the values of WSGIApplicationGroup, WSGIProcessGroup and WSGICallableObject become names for one
 * request. Pure C: mod_gowsgi.so expands them on the way of each request, package directives tests them.
 *
 * A template is a literal name, or one variable that is the whole value:
 *   %{GLOBAL}         the empty name
 *   %{SERVER}         host, or host:port when the port is neither 80 nor 443
 *   %{RESOURCE}       what %{SERVER} is, '|', and SCRIPT_NAME with each run of '/' as one; in lower case when the file
 *                     system ignores case
 *   %{ENV:variable}   the value of the variable. If that is one of the three above, what it stands for; it never leads to
 *                     another variable
 */
#ifndef GW_EXPAND_H
#define GW_EXPAND_H

#include <stddef.h>

/* Room enough for %{RESOURCE} of any request line that httpd accepts by default. */
#define GW_EXPAND_BUFFER 8704

/* Variables that a template may use, for gw_template_check(). */
enum {
    GW_TEMPLATE_GLOBAL = 1,
    GW_TEMPLATE_SERVER = 2,
    GW_TEMPLATE_RESOURCE = 4,
    GW_TEMPLATE_ENV = 8
};

typedef enum gw_template_fault {
    GW_TEMPLATE_GOOD = 0,
    GW_TEMPLATE_UNKNOWN,     /* there is no such variable, or it is not accepted here */
    GW_TEMPLATE_NAMELESS,    /* %{ENV:} */
    GW_TEMPLATE_PARTIAL      /* something stands before or after %{...}, or its '}' is missing */
} gw_template_fault;

/* What a request offers to its templates. Strings are NUL-terminated and outlive the result. */
typedef struct gw_expand_source {
    const char *server_name; /* ServerName's host */
    unsigned port;           /* the port of the request's URL */
    const char *script_name; /* SCRIPT_NAME */
    int ignore_case;         /* WSGICaseSensitivity Off */
    const char *(*env)(void *env_ctx, const char *name); /* the variable's value, or NULL when it is not defined */
    void *env_ctx;
} gw_expand_source;

typedef enum gw_expand_status {
    GW_EXPAND_OK = 0,
    GW_EXPAND_UNDEFINED,     /* the variable of %{ENV:variable} is not defined; text is its name */
    GW_EXPAND_INVALID,       /* %{...} that cannot be expanded, as text shows it; found in a variable's value when the
                                template was checked */
    GW_EXPAND_TOO_LONG       /* the result does not fit into the buffer; text is what was to be expanded */
} gw_expand_status;

/* A result: text is NUL-terminated, and borrowed from the template, the source, the variable's value or the buffer. */
typedef struct gw_expansion {
    const char *text;
    size_t len;
} gw_expansion;

/* Expands text into out, using the buffer buf of cap bytes where text has to be put together. No allocation, no lock; any
 * thread. Out is always filled. */
gw_expand_status gw_expand(const char *text, const gw_expand_source *source, char *buf, size_t cap, gw_expansion *out);

/* Whether text is a template that uses variables of the set allowed (GW_TEMPLATE_*) only. */
gw_template_fault gw_template_check(const char *text, int allowed);

#endif
