/* This file reads the directives that declare something: aliases, daemon process groups, scripts to import or to ask. */
#include "gw_declare.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_config.h"

#include "../directives/expand.h"
#include "gw_group.h"
#include "gw_idle.h"
#include "gw_python.h"
#include "gw_value.h"

/* ---- Words and options ---- */

/* One name=value as it is taken from the configuration. */
typedef struct option_word {
    const char *name;
    const char *value;           /* NULL: there was no '=' */
    const char *text;            /* both, for messages */
} option_word;

/* Takes the next option. The value, or all of it, may be quoted. Returns 0 when there is none left. */
static int next_option(apr_pool_t *p, const char **args, option_word *out)
{
    const char *s = *args;
    const char *start;

    while (apr_isspace(*s))
        s++;
    if (*s == '\0')
        return 0;
    if (*s == '"' || *s == '\'') {
        const char *word = ap_getword_conf(p, &s);
        const char *equals = strchr(word, '=');
        out->name = equals ? apr_pstrmemdup(p, word, (apr_size_t)(equals - word)) : word;
        out->value = equals ? equals + 1 : NULL;
    } else {
        for (start = s; *s && *s != '=' && !apr_isspace(*s);)
            s++;
        out->name = apr_pstrmemdup(p, start, (apr_size_t)(s - start));
        out->value = NULL;
        if (*s == '=') {
            s++;
            out->value = *s && !apr_isspace(*s) ? ap_getword_conf(p, &s) : "";
        }
    }
    out->text = out->value ? apr_pstrcat(p, out->name, "=", out->value, NULL) : out->name;
    *args = s;
    return 1;
}

/* "WSGIDaemonProcess blog: threads=5abc: not a whole number". subject may be NULL. */
static const char *complain(const cmd_parms *cmd, const char *subject, const char *word, const char *fault)
{
    return apr_pstrcat(cmd->pool, cmd->cmd->name, subject ? " " : "", subject ? subject : "", ": ", word, ": ", fault, NULL);
}

/* An option of a script directive: which template it takes, and where it goes. */
typedef struct script_option {
    const char *name;
    const gw_row *row;           /* whose kind checks it; NULL: a template with the variables in allowed */
    int allowed;
    const char **text;           /* set as written, or */
    int *flag;
    int required;
} script_option;

static const char *set_script_option(cmd_parms *cmd, const script_option *o, const option_word *word)
{
    gw_value value = { 0 };
    const char *fault;

    if ((o->text && *o->text) || (o->flag && *o->flag >= 0))
        return "given twice";
    if (o->row) {
        fault = gw_value_read(cmd->pool, o->row, word->value, &value);
        if (fault)
            return fault;
    } else {
        fault = *word->value ? gw_value_template(cmd->pool, word->value, o->allowed) : "empty";
        if (fault)
            return fault;
        value.str = word->value;
    }
    if (o->flag)
        *o->flag = (int)value.num;
    else
        *o->text = value.str;
    return NULL;
}

/* Reads the options that follow a script's path. The list ends with a row without a name. */
static const char *read_script_options(cmd_parms *cmd, const char *subject, const char *args, const script_option *options)
{
    option_word word;

    while (next_option(cmd->pool, &args, &word)) {
        const script_option *o = options;
        const char *fault;
        while (o->name && strcmp(o->name, word.name) != 0)
            o++;
        if (!o->name)
            return complain(cmd, subject, word.text, "unknown option");
        fault = word.value ? set_script_option(cmd, o, &word) : "an option without '=' and a value";
        if (fault)
            return complain(cmd, subject, word.text, fault);
    }
    for (const script_option *o = options; o->name; o++) {
        if (o->required && !*o->text)
            return complain(cmd, subject, apr_pstrcat(cmd->pool, o->name, "=", NULL), "missing, and it is required");
    }
    return NULL;
}

/* Takes a script's path; a relative one starts at ServerRoot. Returns a message, or NULL with *out set. */
static const char *next_path(cmd_parms *cmd, const char **args, const char **out)
{
    const char *word = ap_getword_conf(cmd->pool, args);

    if (word[0] == '\0')
        return apr_psprintf(cmd->pool, "%s: the path of the script is missing", cmd->cmd->name);
    *out = word[0] == '/' ? word : ap_server_root_relative(cmd->pool, word);
    if (!*out)
        return complain(cmd, NULL, word, "not a usable path");
    return NULL;
}

/* ---- WSGIScriptAlias, WSGIScriptAliasMatch ---- */

/* Each $N of the target must be a group that the pattern has. */
static const char *check_groups(cmd_parms *cmd, const gw_alias *alias)
{
    for (const char *s = alias->target; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (*s == '$' && apr_isdigit(s[1]) && s[1] - '0' > (int)alias->regex->re_nsub)
            return complain(cmd, alias->url, alias->target,
                            apr_psprintf(cmd->pool, "there is no group $%c in the regular expression", s[1]));
    }
    return NULL;
}

static const char *read_target(cmd_parms *cmd, gw_alias *alias, const char **args)
{
    const char *word = ap_getword_conf(cmd->pool, args);

    if (word[0] == '\0')
        return complain(cmd, NULL, alias->url, "the path of a file or directory is missing after it");
    if (word[0] == '/' || (alias->regex && word[0] == '$'))
        alias->target = word;
    else
        alias->target = ap_server_root_relative(cmd->pool, word);
    if (!alias->target)
        return complain(cmd, alias->url, word, "not a usable path");
    return alias->regex ? check_groups(cmd, alias) : NULL;
}

const char *gw_declare_alias(cmd_parms *cmd, int is_regex, const char *args)
{
    gw_server_config *conf = gw_server_config_of(cmd->server);
    gw_alias alias = { .pass_authorization = -1 };
    const script_option options[] = {
        { .name = "process-group", .row = &gw_directives[GW_PROCESS_GROUP], .text = &alias.process_group },
        { .name = "application-group", .row = &gw_directives[GW_APPLICATION_GROUP], .text = &alias.app_group },
        { .name = "callable-object", .row = &gw_directives[GW_CALLABLE_OBJECT], .text = &alias.callable },
        { .name = "pass-authorization", .row = &gw_directives[GW_PASS_AUTHORIZATION], .flag = &alias.pass_authorization },
        { .name = NULL },
    };
    const char *fault;

    alias.url = ap_getword_conf(cmd->pool, &args);
    if (alias.url[0] == '\0')
        return apr_psprintf(cmd->pool, "%s: the %s is missing", cmd->cmd->name, is_regex ? "regular expression" : "URL-path");
    if (is_regex) {
        alias.regex = ap_pregcomp(cmd->pool, alias.url, AP_REG_EXTENDED);
        if (!alias.regex)
            return complain(cmd, NULL, alias.url, "not a regular expression");
    } else if (alias.url[0] != '/') {
        return complain(cmd, NULL, alias.url, "not a URL-path, which begins with '/'");
    }
    fault = read_target(cmd, &alias, &args);
    if (!fault)
        fault = read_script_options(cmd, alias.url, args, options);
    if (fault)
        return fault;
    if (alias.process_group)
        gw_group_mention(cmd, "process-group=", alias.process_group);
    APR_ARRAY_PUSH(conf->aliases, gw_alias) = alias;
    return NULL;
}

/* ---- WSGIDaemonProcess ---- */

static const gw_daemon *find_daemon(const gw_server_config *conf, const char *name)
{
    for (int i = 0; i < conf->daemons->nelts; i++) {
        const gw_daemon *daemon = &APR_ARRAY_IDX(conf->daemons, i, gw_daemon);
        if (strcmp(daemon->name, name) == 0)
            return daemon;
    }
    return NULL;
}

static const char *set_daemon_option(cmd_parms *cmd, gw_daemon *daemon, const option_word *word)
{
    int id = 0;

    while (id < GW_OPTION_COUNT && strcmp(gw_options[id].name, word->name) != 0)
        id++;
    if (id == GW_OPTION_COUNT)
        return "unknown option";
    if (!word->value)
        return "an option without '=' and a value";
    if (daemon->options[id].set && gw_options[id].kind != GW_KIND_ENV)
        return "given twice";
    gw_idle_note(cmd, &gw_options[id]);
    return gw_value_read(cmd->pool, &gw_options[id], word->value, &daemon->options[id]);
}

const char *gw_declare_daemon(cmd_parms *cmd, const char *args)
{
    gw_server_config *conf = gw_config_main(cmd);
    const gw_daemon *other;
    const char *fault;
    option_word word;
    gw_daemon daemon = {
        .server = cmd->server,
        .in_vhost = cmd->server->is_virtual,
        .file = cmd->directive->filename,
        .line = cmd->directive->line_num,
    };

    daemon.name = ap_getword_conf(cmd->pool, &args);
    if (daemon.name[0] == '\0')
        return apr_psprintf(cmd->pool, "%s: the name of the process group is missing", cmd->cmd->name);
    fault = gw_value_daemon_name(daemon.name);
    if (fault)
        return complain(cmd, NULL, daemon.name, fault);
    other = find_daemon(conf, daemon.name);
    if (other)
        return complain(cmd, NULL, daemon.name,
                        apr_psprintf(cmd->pool, "a process group of this name is declared on line %d of %s already; names are "
                                                "unique in the whole server", other->line, other->file));
    while (next_option(cmd->pool, &args, &word)) {
        fault = set_daemon_option(cmd, &daemon, &word);
        if (fault)
            return complain(cmd, daemon.name, word.text, fault);
        if (daemon.options[GW_OPT_SCRIPT_USER].set && daemon.options[GW_OPT_SCRIPT_GROUP].set)
            return complain(cmd, daemon.name, word.text, "only one of script-user= and script-group= can be given");
    }
    fault = gw_python_check_home(cmd->pool, &daemon);
    if (fault)
        return complain(cmd, daemon.name, apr_pstrcat(cmd->pool, "python-home=", gw_daemon_str(&daemon, GW_OPT_PYTHON_HOME), NULL), fault);
    APR_ARRAY_PUSH(conf->daemons, gw_daemon) = daemon;
    return NULL;
}

/* ---- The other scripts ---- */

const char *gw_declare_import(cmd_parms *cmd, const char *args)
{
    gw_import import = { .server = cmd->server };
    const script_option options[] = {
        { .name = "process-group", .allowed = GW_TEMPLATE_GLOBAL, .text = &import.process_group, .required = 1 },
        { .name = "application-group", .allowed = GW_TEMPLATE_GLOBAL, .text = &import.app_group, .required = 1 },
        { .name = NULL },
    };
    const char *fault = next_path(cmd, &args, &import.script);

    if (!fault)
        fault = read_script_options(cmd, import.script, args, options);
    if (fault)
        return fault;
    fault = gw_value_group_name(import.process_group, &import.process_group);
    if (fault)
        return complain(cmd, import.script, apr_pstrcat(cmd->pool, "process-group=", import.process_group, NULL), fault);
    if (strcmp(import.app_group, "%{GLOBAL}") == 0)
        import.app_group = "";
    gw_group_mention(cmd, "process-group=", import.process_group);
    APR_ARRAY_PUSH(gw_config_main(cmd)->imports, gw_import) = import;
    return NULL;
}

const char *gw_declare_script(cmd_parms *cmd, gw_value *out, const char *args)
{
    gw_hook_script *script = apr_pcalloc(cmd->pool, sizeof *script);
    gw_server_config *conf = gw_config_main(cmd);
    const script_option options[] = {
        { .name = "application-group", .allowed = GW_TEMPLATE_GLOBAL | GW_TEMPLATE_SERVER | GW_TEMPLATE_ENV,
          .text = &script->app_group },
        { .name = NULL },
    };
    const char *fault = next_path(cmd, &args, &script->script);

    if (!fault)
        fault = read_script_options(cmd, script->script, args, options);
    if (fault)
        return fault;
    if (!script->app_group)
        script->app_group = "%{GLOBAL}";
    if (conf)
        conf->has_hook_scripts = 1;
    out->ptr = script;
    out->set = 1;
    return NULL;
}

const char *gw_declare_names(cmd_parms *cmd, gw_value *out, const char *args)
{
    apr_array_header_t *names = apr_array_make(cmd->pool, 4, sizeof(const char *));

    while (*args) {
        const char *word = ap_getword_conf(cmd->pool, &args);
        const char *name;
        const char *fault = gw_value_group_name(word, &name);
        if (fault)
            return complain(cmd, NULL, word, fault);
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    if (names->nelts == 0)
        return apr_psprintf(cmd->pool, "%s: the names of process groups are missing", cmd->cmd->name);
    out->ptr = names;
    out->set = 1;
    return NULL;
}
