/* This file declares which Python a daemon process group runs: the one of Apache's own processes, or what python= names. */
#ifndef GW_PYTHON_H
#define GW_PYTHON_H

#include "gw_config.h"

/* A Python that there is a library for. gw_value.ptr of python= points to one. */
typedef struct gw_python {
    const char *version;         /* "3.13": as in the name of the library */
    const char *program;         /* its interpreter, or that of a virtual environment; NULL: that of the library's own Python */
} gw_python;

/* Reads the value of python= into out->ptr and out->str. Returns as gw_value_read(). */
const char *gw_python_read(apr_pool_t *p, const char *word, gw_value *out);

/* What is wrong with python= and python-home= together, or NULL; to be put after the latter, as gw_value_read()'s. */
const char *gw_python_check_home(apr_pool_t *p, const gw_daemon *daemon);

/* The Python of a group; never NULL. */
const gw_python *gw_python_of(const gw_daemon *daemon);

/* Whether the group has the Python of Apache's own processes, and so WSGIPythonHome and WSGIPythonExecutable. */
int gw_python_is_inherited(const gw_daemon *daemon);

#endif
