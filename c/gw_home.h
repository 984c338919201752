/* This file declares the check of WSGIPythonHome and of what python-home= names: Python ends the process that starts it with a home which does not fit, so that
 * must not be tried. */
#ifndef GW_HOME_H
#define GW_HOME_H

#include "httpd.h"

/* What a home is: decides how Python is told of it. */
typedef enum gw_home_kind {
    GW_HOME_NONE,                /* not configured */
    GW_HOME_PREFIX,              /* prefix or prefix:exec_prefix of an installation */
    GW_HOME_VENV,                /* a virtual environment */
    GW_HOME_BAD                  /* Python cannot start with it */
} gw_home_kind;

/* Looks at home (NULL: not configured) with the rights of this process: whether a Python of that version, "3.11", has its prefix or
 * its virtual environment there. *problem is set for GW_HOME_BAD: how the sentence that
 * began with the directive and its value goes on. */
gw_home_kind gw_home_check(apr_pool_t *p, const char *home, const char *version, const char **problem);

/* The version in a pyvenv.cfg, "3.11.2"; NULL when it cannot be read, "" when the file does not say. */
const char *gw_home_venv_version(apr_pool_t *p, const char *cfg);

/* The standard libraries that a prefix has: "python3.9, python3.12"; NULL when there are none. */
const char *gw_home_installed(apr_pool_t *p, const char *prefix);

/* Whether it is this process's rights that keep it from home. */
int gw_home_is_closed(apr_pool_t *p, const char *home);

/* Checks the server's WSGIPythonHome, logs one line when it cannot be used, and remembers the answer for the children to come. */
gw_home_kind gw_home_verify(apr_pool_t *p, server_rec *main_server);

/* What gw_home_verify() found in the parent. */
gw_home_kind gw_home_verdict(void);

#endif
