/* This file declares what is asked of libgowsgi-X.Y.so, of which there is one for each Python, by httpd's module and by gowsgid. It knows
 * neither httpd nor Go. */
#ifndef GW_LIBRARY_H
#define GW_LIBRARY_H

#include "gowsgi_abi.h"

/* What stands before and after the version of its Python in the name of a library. */
#define GW_LIBRARY_PREFIX "libgowsgi-"
#define GW_LIBRARY_SUFFIX ".so"

/* The library of Apache's own processes, and of the supervisor. */
#define GW_LIBRARY_NAME GW_LIBRARY_PREFIX GOWSGI_PYTHON GW_LIBRARY_SUFFIX
#define GW_LIBRARY_CUT_OFF "it is cut off: the file is shorter than it says"

/* Whether the file ends before what the loader maps of it, as a copy does that was interrupted: dlopen() does not look, and the process
 * dies when it touches what is not there. What is no library at all is left to dlopen(). */
int gw_library_is_cut_off(const char *path);

/* How an open library differs from what this code was compiled for, and from the Python that its name says; or NULL. The text is static:
 * one thread at a time. */
const char *gw_library_difference(const gowsgi_abi_info *info, const char *python);

#endif
