/* This file introduces mod_gowsgi to httpd: its module records and its hooks. "Follow one request" in README.md starts here.
 *
 * There are two records, so that the file can be loaded as gowsgi_module and as wsgi_module; the latter lets a configuration
 * that says <IfModule wsgi_module> or <IfModule mod_wsgi.c> stay as it is. They share all that follows. Loaded under both
 * names, the first one works, and the other does nothing. */
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "mpm_common.h"
#include "http_protocol.h"
#include "http_request.h"

#include "gowsgi_abi.h"
#include "gw_alias.h"
#include "gw_auth.h"
#include "gw_config.h"
#include "gw_group.h"
#include "gw_home.h"
#include "gw_idle.h"
#include "gw_loader.h"
#include "gw_log.h"
#include "gw_preinit.h"
#include "gw_request.h"
#include "gw_spawn.h"

/* The record in use. Set while httpd loads the module, read-only afterwards. */
module *gw_module;

/* ---- Configuration and start ---- */

/* httpd -t ends here: what would be said at start is said now. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    (void)pconf, (void)plog;
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST) {
        gw_home_verify(ptemp, main_server);
        gw_group_check(ptemp, main_server);
    }
    return OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    (void)plog;
    ap_add_version_component(pconf, "mod_gowsgi/" GOWSGI_VERSION);
    ap_add_version_component(pconf, "Python/" GOWSGI_PYTHON);
    if (gw_log_rehearsal())
        return OK;
    gw_home_verify(ptemp, main_server);
    gw_group_check(ptemp, main_server);
    gw_idle_tell(main_server);
    gw_group_setup(pconf, main_server);
    gw_loader_prepare(pconf);
    gw_preinit_run(main_server);
    return OK;
}

/* A hook of its own, the last: what other modules fork in theirs, such as mod_cgid's daemon, must not hold our lease. */
static int start_daemons(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    (void)plog, (void)ptemp;
    if (!gw_log_rehearsal())
        gw_spawn_start(pconf, main_server);
    return OK;
}

/* ---- Hooks ---- */

/* mod_alias first: an Alias below a mount point, such as one for static files, is used for its part of the URLs. */
static const char *const translate_after[] = { "mod_alias.c", NULL };
/* These two map every URL that is left, or any that looks like a user's. */
static const char *const translate_before[] = { "mod_userdir.c", "mod_vhost_alias.c", NULL };

/* What a script says of a host comes after https is known, and before httpd's own rules. */
static const char *const access_after[] = { "mod_ssl.c", NULL };
static const char *const access_before[] = { "mod_authz_host.c", "mod_access_compat.c", NULL };

static apr_status_t forget_module(void *unused)
{
    (void)unused;
    gw_module = NULL;
    return APR_SUCCESS;
}

static void register_hooks(apr_pool_t *p, module *record)
{
    if (gw_module) {
        if (!gw_log_rehearsal())
            ap_log_perror(GW_MARK, APLOG_ERR, 0, p, "GWSGI0104: mod_gowsgi.so is loaded as %s and as %s; the second one does "
                          "nothing. Remove one of the LoadModule lines", gw_module->name, record->name);
        return;
    }
    gw_module = record;
    /* On a restart httpd may load the file anew, or go on with this copy of its variables. */
    apr_pool_cleanup_register(p, NULL, forget_module, apr_pool_cleanup_null);

    /* Start. */
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(start_daemons, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_child_init(gw_spawn_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(gw_spawn_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(gw_loader_start, NULL, NULL, APR_HOOK_MIDDLE);

    /* Access control. */
    ap_hook_optional_fn_retrieve(gw_auth_find_cache, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_access(gw_auth_check_access, access_after, access_before, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    gw_auth_register_providers(p);

    /* Requests. */
    ap_hook_translate_name(gw_alias_translate, translate_after, translate_before, APR_HOOK_MIDDLE);
    ap_hook_handler(gw_request_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

/* ---- The two records ---- */

/* httpd hands the commands of both records to the same functions; a record that is not in use has no configuration. */
#define GW_RECORD(record, file)                                                                                      \
    extern module AP_MODULE_DECLARE_DATA record;                                                                     \
    static void record##_hooks(apr_pool_t *p)                                                                        \
    {                                                                                                                \
        register_hooks(p, &record);                                                                                  \
    }                                                                                                                \
    static void *record##_dir(apr_pool_t *p, char *dir)                                                              \
    {                                                                                                                \
        return gw_module == &record ? gw_dir_config_create(p, dir) : NULL;                                           \
    }                                                                                                                \
    static void *record##_server(apr_pool_t *p, server_rec *s)                                                       \
    {                                                                                                                \
        return gw_module == &record ? gw_server_config_create(p, s) : NULL;                                          \
    }                                                                                                                \
    module AP_MODULE_DECLARE_DATA record = {                                                                         \
        .version = MODULE_MAGIC_NUMBER_MAJOR,                                                                        \
        .minor_version = MODULE_MAGIC_NUMBER_MINOR,                                                                  \
        .module_index = -1,                                                                                          \
        .name = file,                                                                                                \
        .magic = MODULE_MAGIC_COOKIE,                                                                                \
        .create_dir_config = record##_dir,                                                                           \
        .merge_dir_config = gw_dir_config_merge,                                                                     \
        .create_server_config = record##_server,                                                                     \
        .merge_server_config = gw_server_config_merge,                                                               \
        .cmds = gw_commands,                                                                                         \
        .register_hooks = record##_hooks,                                                                            \
    }

GW_RECORD(gowsgi_module, "mod_gowsgi.c");
GW_RECORD(wsgi_module, "mod_wsgi.c");
