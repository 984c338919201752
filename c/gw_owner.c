/* This file keeps a daemon process group from running scripts that others than its owner can have put there or changed. */
#include "gw_owner.h"

#include "apr_strings.h"

#include "gw_log.h"

#define OWNERSHIP (APR_FINFO_OWNER | APR_FINFO_PROT)

/* What is wrong with a file or directory, to be put after its name; NULL when nothing is. Whoever may write to the directory may
 * put another script there. */
static const char *fault_of(const gw_daemon *daemon, const apr_finfo_t *info)
{
    const gw_value *user = &daemon->options[GW_OPT_SCRIPT_USER], *group = &daemon->options[GW_OPT_SCRIPT_GROUP];

    if (user->set && info->user != (uid_t)user->num)
        return "does not belong to the user of script-user=";
    if (group->set && info->group != (gid_t)group->num)
        return "does not belong to the group of script-group=";
    if (info->protection & APR_FPROT_WWRITE)
        return "may be written to by everybody";
    if (user->set && info->protection & APR_FPROT_GWRITE)
        return "may be written to by its group";
    return NULL;
}

static int refuse(const request_rec *r, const gw_daemon *daemon, const char *path, const char *fault)
{
    ap_log_rerror(GW_MARK, APLOG_ERR, 0, r, "GWSGI0212: %s is not run in the process group %s: %s %s; the request is answered "
                  "with 403. Give script and folder to that user or group, and let nobody else write there",
                  r->filename, daemon->name, path, fault);
    return HTTP_FORBIDDEN;
}

static int check(request_rec *r, const gw_daemon *daemon)
{
    const char *slash = strrchr(r->filename, '/'), *fault;
    const char *folder = slash > r->filename ? apr_pstrmemdup(r->pool, r->filename, (apr_size_t)(slash - r->filename)) : "/";
    apr_finfo_t script = r->finfo, parent;

    if ((script.valid & OWNERSHIP) != OWNERSHIP && apr_stat(&script, r->filename, OWNERSHIP, r->pool) != APR_SUCCESS)
        return refuse(r, daemon, r->filename, "cannot be looked at");
    if (apr_stat(&parent, folder, OWNERSHIP, r->pool) != APR_SUCCESS)
        return refuse(r, daemon, folder, "cannot be looked at");
    fault = fault_of(daemon, &script);
    if (fault)
        return refuse(r, daemon, r->filename, fault);
    fault = fault_of(daemon, &parent);
    return fault ? refuse(r, daemon, folder, fault) : OK;
}

int gw_owner_check(request_rec *r, const gw_daemon *daemon)
{
    if (!daemon->options[GW_OPT_SCRIPT_USER].set && !daemon->options[GW_OPT_SCRIPT_GROUP].set)
        return OK;
    return check(r, daemon);
}
