/* This file makes the configuration records and httpd's table of our commands out of directives/directives.def. httpd reads the
 * configuration twice at start and once at each restart, each time into new records; nothing here outlives them. */
#include "gw_config.h"

#include "apr_strings.h"

#include "gw_declare.h"
#include "gw_group.h"
#include "gw_idle.h"
#include "gw_value.h"

/* ---- Records ---- */

/* Where the main server's record is found while configuration is read: in the pool of that reading. */
#define MAIN_CONFIG_KEY "gowsgi-main-config"

void *gw_dir_config_create(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(gw_dir_config));
}

void *gw_server_config_create(apr_pool_t *p, server_rec *s)
{
    gw_server_config *conf = apr_pcalloc(p, sizeof *conf);

    conf->aliases = apr_array_make(p, 4, sizeof(gw_alias));
    if (!s->is_virtual) {
        conf->imports = apr_array_make(p, 4, sizeof(gw_import));
        conf->daemons = apr_array_make(p, 4, sizeof(gw_daemon));
        conf->mentions = apr_array_make(p, 4, sizeof(gw_mention));
        conf->idle = apr_array_make(p, 4, sizeof(const gw_row *));
        apr_pool_userdata_set(conf, MAIN_CONFIG_KEY, NULL, p);
    }
    return conf;
}

gw_server_config *gw_config_main(const cmd_parms *cmd)
{
    void *conf = NULL;

    apr_pool_userdata_get(&conf, MAIN_CONFIG_KEY, cmd->pool);
    return conf;
}

static void merge_values(gw_value *out, const gw_value *base, const gw_value *add)
{
    for (int id = 0; id < GW_DIRECTIVE_COUNT; id++)
        out[id] = add[id].set ? add[id] : base[id];
}

void *gw_dir_config_merge(apr_pool_t *p, void *base, void *add)
{
    gw_dir_config *conf = apr_palloc(p, sizeof *conf);

    merge_values(conf->values, ((gw_dir_config *)base)->values, ((gw_dir_config *)add)->values);
    return conf;
}

/* A virtual host's own aliases come before those that it inherits. */
void *gw_server_config_merge(apr_pool_t *p, void *base, void *add)
{
    const gw_server_config *outer = base, *inner = add;
    gw_server_config *conf = apr_palloc(p, sizeof *conf);

    merge_values(conf->values, outer->values, inner->values);
    conf->aliases = apr_array_append(p, inner->aliases, outer->aliases);
    conf->imports = outer->imports;
    conf->daemons = outer->daemons;
    conf->mentions = outer->mentions;
    conf->idle = outer->idle;
    conf->has_hook_scripts = outer->has_hook_scripts;
    return conf;
}

gw_server_config *gw_server_config_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, gw_module);
}

gw_dir_config *gw_dir_config_of(request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, gw_module);
}

/* ---- Values in force ---- */

static const gw_value *dir_value(const request_rec *r, gw_directive_id id)
{
    const gw_dir_config *conf = ap_get_module_config(r->per_dir_config, gw_module);

    return &conf->values[id];
}

static long num_of(const gw_value *value, const gw_row *row)
{
    return value->set ? value->num : row->num;
}

static const char *str_of(const gw_value *value, const gw_row *row)
{
    return value->set ? value->str : row->str;
}

long gw_dir_num(const request_rec *r, gw_directive_id id)
{
    return num_of(dir_value(r, id), &gw_directives[id]);
}

const char *gw_dir_str(const request_rec *r, gw_directive_id id)
{
    return str_of(dir_value(r, id), &gw_directives[id]);
}

const void *gw_dir_ptr(const request_rec *r, gw_directive_id id)
{
    return dir_value(r, id)->ptr;
}

long gw_global_num(server_rec *main_server, gw_directive_id id)
{
    return num_of(&gw_server_config_of(main_server)->values[id], &gw_directives[id]);
}

const char *gw_global_str(server_rec *main_server, gw_directive_id id)
{
    return str_of(&gw_server_config_of(main_server)->values[id], &gw_directives[id]);
}

int gw_config_needs_python(server_rec *main_server)
{
    return !gw_global_num(main_server, GW_RESTRICT_EMBEDDED) || gw_server_config_of(main_server)->has_hook_scripts;
}

long gw_daemon_num(const gw_daemon *daemon, gw_option_id id)
{
    return num_of(&daemon->options[id], &gw_options[id]);
}

const char *gw_daemon_str(const gw_daemon *daemon, gw_option_id id)
{
    return str_of(&daemon->options[id], &gw_options[id]);
}

/* ---- Commands ---- */

/* A directive of one word. */
static const char *set_word(cmd_parms *cmd, const gw_row *row, gw_value *out, const char *args)
{
    const char *word, *fault;

    if (*args == '\0')
        return apr_psprintf(cmd->pool, "%s takes one argument: %s", row->name, row->syntax);
    word = ap_getword_conf(cmd->pool, &args);
    if (*args)
        return apr_psprintf(cmd->pool, "%s takes one argument: %s; '%s' is too much", row->name, row->syntax, args);
    fault = gw_value_read(cmd->pool, row, word, out);
    if (!fault && row == &gw_directives[GW_PROCESS_GROUP])
        gw_group_mention(cmd, NULL, word);
    if (!fault)
        gw_idle_note(cmd, row);
    return fault ? apr_psprintf(cmd->pool, "%s %s: %s", row->name, word[0] ? word : "\"\"", fault) : NULL;
}

/* Sets any of our directives. Which one is in cmd->info; conf is the directory's record. */
static const char *set_directive(cmd_parms *cmd, void *conf, const char *args)
{
    gw_directive_id id = (gw_directive_id)(intptr_t)cmd->info;
    const gw_row *row = &gw_directives[id];
    gw_value *value;

    /* Called for a module record that is not in use: the file was loaded under both of its names. */
    if (!conf)
        return NULL;
    if (row->where == GW_WHERE_MAIN) {
        const char *fault = ap_check_cmd_context(cmd, GLOBAL_ONLY);
        if (fault)
            return fault;
    }
    if (row->where == GW_WHERE_MAIN || row->where == GW_WHERE_SERVER)
        value = &gw_server_config_of(cmd->server)->values[id];
    else
        value = &((gw_dir_config *)conf)->values[id];

    switch (row->kind) {
    case GW_KIND_ALIAS: return gw_declare_alias(cmd, 0, args);
    case GW_KIND_ALIAS_MATCH: return gw_declare_alias(cmd, 1, args);
    case GW_KIND_DAEMON: return gw_declare_daemon(cmd, args);
    case GW_KIND_IMPORT: return gw_declare_import(cmd, args);
    case GW_KIND_SCRIPT: return gw_declare_script(cmd, value, args);
    case GW_KIND_NAMES: return gw_declare_names(cmd, value, args);
    default: return set_word(cmd, row, value, args);
    }
}

/* What httpd calls the places of table.h. */
#define OVERRIDE_MAIN RSRC_CONF
#define OVERRIDE_SERVER RSRC_CONF
#define OVERRIDE_DIRECTORY (RSRC_CONF | ACCESS_CONF)
#define OVERRIDE_FILEINFO OR_FILEINFO
#define OVERRIDE_AUTHCFG OR_AUTHCFG

#define GW_DIRECTIVE(id, name, kind, where, value, syntax, help) \
    AP_INIT_RAW_ARGS(name, set_directive, (void *)(intptr_t)GW_##id, OVERRIDE_##where, help),
const command_rec gw_commands[] = {
#include "../directives/directives.def"
    { NULL }
};
