/* This file finds out whether a Python home is an installation, or a virtual environment, of the Python that is
 * needed, without running anything of it. */
#include "gw_home.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "gw_config.h"
#include "gw_log.h"

static gw_home_kind verdict = GW_HOME_NONE;

static int is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *gw_home_installed(apr_pool_t *p, const char *prefix)
{
    static const char *const libs[] = { "lib", "lib64" };
    const char *found = NULL;

    for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
        apr_dir_t *dir;
        apr_finfo_t entry;

        if (apr_dir_open(&dir, apr_pstrcat(p, prefix, "/", libs[i], NULL), p) != APR_SUCCESS)
            continue;
        while (apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS)
            if (!strncmp(entry.name, "python", 6) && apr_isdigit(entry.name[6]) && strchr(entry.name, '.')
                && !(found && strstr(found, entry.name)))
                found = found ? apr_pstrcat(p, found, ", ", entry.name, NULL) : apr_pstrdup(p, entry.name);
        apr_dir_close(dir);
    }
    return found;
}

/* Whether prefix has the standard library of the Python that we need. */
static const char *check_prefix(apr_pool_t *p, const char *prefix, const char *version)
{
    const char *others;

    if (!is_directory(prefix) || access(prefix, R_OK | X_OK) != 0)
        return apr_psprintf(p, "%s is not a directory that this user (uid %ld) can read", prefix, (long)geteuid());
    if (is_directory(apr_pstrcat(p, prefix, "/lib/python", version, NULL))
        || is_directory(apr_pstrcat(p, prefix, "/lib64/python", version, NULL)))
        return NULL;
    others = gw_home_installed(p, prefix);
    if (others)
        return apr_psprintf(p, "%s has the library of %s", prefix, others);
    return apr_psprintf(p, "%s has neither pyvenv.cfg nor lib/python%s", prefix, version);
}

/* The value of a `key = value` line, when that is the line's key; else NULL. */
static const char *value_of(char *line, const char *key)
{
    size_t len = strlen(key);

    if (strncmp(line, key, len) != 0)
        return NULL;
    line += len;
    line += strspn(line, " \t");
    if (*line != '=')
        return NULL;
    line++;
    line += strspn(line, " \t");
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

/* It is written as "version = 3.11.2" by venv, and as "version_info = 3.11.2.final.0" by virtualenv. */
const char *gw_home_venv_version(apr_pool_t *p, const char *cfg)
{
    const char *version = "";
    FILE *file = fopen(cfg, "re");
    char line[1024];

    if (!file)
        return NULL;
    while (!*version && fgets(line, sizeof line, file)) {
        const char *value = value_of(line, "version_info");
        if (!value)
            value = value_of(line, "version");
        if (value)
            version = apr_pstrdup(p, value);
    }
    fclose(file);
    return version;
}

/* Whether "3.11.2" is a "3.11". The files do not tell of a "3.13t". */
static int is_of_version(const char *full, const char *version)
{
    size_t len = strspn(version, "0123456789.");

    return strncmp(full, version, len) == 0 && !apr_isdigit(full[len]);
}

static const char *check_venv(apr_pool_t *p, const char *home, const char *cfg, const char *version)
{
    const char *full = gw_home_venv_version(p, cfg);

    if (!full)
        return apr_psprintf(p, "%s cannot be read by this user (uid %ld)", cfg, (long)geteuid());
    if (*full && !is_of_version(full, version))
        return apr_psprintf(p, "%s is a virtual environment of Python %s", home, full);
    if (*full)
        return NULL;
    return check_prefix(p, home, version);
}

/* The first of the two folders that a home may be. */
static const char *prefix_of(apr_pool_t *p, const char *home)
{
    const char *colon = strchr(home, ':');

    return colon ? apr_pstrmemdup(p, home, (apr_size_t)(colon - home)) : home;
}

gw_home_kind gw_home_check(apr_pool_t *p, const char *home, const char *version, const char **problem)
{
    const char *colon, *prefix, *cfg;
    struct stat st;

    *problem = NULL;
    if (!home)
        return GW_HOME_NONE;
    colon = strchr(home, ':');
    prefix = prefix_of(p, home);
    cfg = apr_pstrcat(p, prefix, "/pyvenv.cfg", NULL);
    if (!colon && stat(cfg, &st) == 0) {
        *problem = check_venv(p, prefix, cfg, version);
        return *problem ? GW_HOME_BAD : GW_HOME_VENV;
    }
    *problem = check_prefix(p, prefix, version);
    if (!*problem && colon)
        *problem = check_prefix(p, colon + 1, version);
    return *problem ? GW_HOME_BAD : GW_HOME_PREFIX;
}

int gw_home_is_closed(apr_pool_t *p, const char *home)
{
    const char *prefix = prefix_of(p, home);
    struct stat st;

    if (stat(prefix, &st) != 0)
        return errno == EACCES;
    return S_ISDIR(st.st_mode) && access(prefix, R_OK | X_OK) != 0;
}

gw_home_kind gw_home_verify(apr_pool_t *p, server_rec *main_server)
{
    const char *home = gw_global_str(main_server, GW_PYTHON_HOME);
    const char *problem;

    verdict = gw_home_check(p, home, GOWSGI_PYTHON, &problem);
    if (verdict == GW_HOME_BAD)
        ap_log_error(GW_MARK, APLOG_ERR, 0, main_server, "GWSGI0801: WSGIPythonHome %s cannot be used: %s, and this build of "
                     "mod_gowsgi needs Python " GOWSGI_PYTHON ". Python is not started, WSGI requests are answered with 500. "
                     "Set WSGIPythonHome to a Python " GOWSGI_PYTHON ", or build mod_gowsgi for that Python (make PYTHON=...)",
                     home, problem);
    return verdict;
}

gw_home_kind gw_home_verdict(void)
{
    return verdict;
}
