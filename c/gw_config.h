/* This file is how the rest of the Apache side reads the configuration: records that httpd creates and merges, one slot
 * for each row of directives/directives.def. Records are written while configuration is read (or a .htaccess, for one
 * request) and are read-only afterwards. */
#ifndef GW_CONFIG_H
#define GW_CONFIG_H

#include "httpd.h"
#include "http_config.h"

#include "../directives/table.h"

/* One directive's value. Which member holds it follows from the row's kind. */
typedef struct gw_value {
    int set;                     /* 0: not given here, inherit */
    long num;                    /* flags (0, 1), numbers, keywords (their index) */
    const char *str;             /* strings, templates, paths */
    void *ptr;                   /* lists and scripts: the kind says which */
} gw_value;

/* WSGIScriptAlias, WSGIScriptAliasMatch. */
typedef struct gw_alias {
    const char *url;             /* the URL-path as given; the pattern of a Match */
    ap_regex_t *regex;           /* NULL for WSGIScriptAlias */
    const char *target;          /* file or directory, absolute; of a Match with $0 to $9, which may begin it */
    const char *process_group, *app_group, *callable; /* templates, or NULL */
    int pass_authorization;      /* 0, 1, or -1: not given */
} gw_alias;

/* WSGIImportScript. */
typedef struct gw_import {
    const char *script, *process_group, *app_group; /* groups as written; "%{GLOBAL}" became "" */
    server_rec *server;
} gw_import;

/* A place of the configuration that names a process group. */
typedef struct gw_mention {
    const char *directive, *option; /* option: "process-group=" in a directive of another purpose, or NULL */
    const char *word;            /* the name */
    server_rec *server;
    const char *file;
    int line;
} gw_mention;

/* WSGIAuthUserScript, WSGIAuthGroupScript, WSGIAccessScript, WSGIDispatchScript: what gw_value.ptr of the row points to. */
typedef struct gw_hook_script {
    const char *script, *app_group;
} gw_hook_script;

/* WSGIDaemonProcess: a slot for each row of directives/daemon_options.def. */
typedef struct gw_daemon {
    const char *name;
    server_rec *server;          /* where it was declared */
    int in_vhost;                /* declared inside a <VirtualHost> */
    const char *file;            /* where it was declared, for messages */
    int line;
    gw_value options[GW_OPTION_COUNT];
} gw_daemon;

typedef struct gw_server_config {
    gw_value values[GW_DIRECTIVE_COUNT];  /* rows of server scope; global rows are set in the main server only */
    apr_array_header_t *aliases; /* of gw_alias, in order */
    apr_array_header_t *imports; /* of gw_import, all servers'; kept in the main server */
    apr_array_header_t *daemons; /* of gw_daemon, all servers'; kept in the main server */
    apr_array_header_t *mentions; /* of gw_mention, all servers'; kept in the main server */
    apr_array_header_t *idle;    /* of const gw_row *: what was given and has no effect; kept in the main server */
    int has_hook_scripts;        /* a directive of kind SCRIPT stands anywhere but in a .htaccess; kept in the main server */
} gw_server_config;

typedef struct gw_dir_config {
    gw_value values[GW_DIRECTIVE_COUNT];  /* rows of directory scope */
} gw_dir_config;

extern const command_rec gw_commands[];

void *gw_dir_config_create(apr_pool_t *p, char *dir);
void *gw_dir_config_merge(apr_pool_t *p, void *base, void *add);
void *gw_server_config_create(apr_pool_t *p, server_rec *s);
void *gw_server_config_merge(apr_pool_t *p, void *base, void *add);

gw_server_config *gw_server_config_of(server_rec *s);
gw_dir_config *gw_dir_config_of(request_rec *r);

/* The value in force for a request or a server: what was configured, else the row's default. Flags and numbers: num;
 * strings: str (NULL when the row has no default). */
long gw_dir_num(const request_rec *r, gw_directive_id id);
const char *gw_dir_str(const request_rec *r, gw_directive_id id);
const void *gw_dir_ptr(const request_rec *r, gw_directive_id id); /* lists and scripts; NULL when not configured */
long gw_global_num(server_rec *main_server, gw_directive_id id);
const char *gw_global_str(server_rec *main_server, gw_directive_id id);

/* The same for an option of a daemon process group. options[id].set tells whether it was given at all. */
long gw_daemon_num(const gw_daemon *daemon, gw_option_id id);
const char *gw_daemon_str(const gw_daemon *daemon, gw_option_id id);

/* Whether Apache's own processes run Python: for applications, which WSGIRestrictEmbedded may rule out, or for scripts that are
 * asked. */
int gw_config_needs_python(server_rec *main_server);

/* The record in which this reading of the configuration keeps all servers' daemons and imports: the main server's, also when
 * cmd stands in a virtual host. NULL while a .htaccess is read. */
gw_server_config *gw_config_main(const cmd_parms *cmd);

/* The module record in use: gowsgi_module, or wsgi_module when it was loaded under that name. */
extern module *gw_module;

#endif
