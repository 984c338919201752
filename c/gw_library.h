/* This file declares what is asked of libgowsgi.so before it is opened, by httpd's module and by gowsgid. It knows neither httpd nor Go. */
#ifndef GW_LIBRARY_H
#define GW_LIBRARY_H

#define GW_LIBRARY_NAME "libgowsgi.so"
#define GW_LIBRARY_CUT_OFF "it is cut off: the file is shorter than it says"

/* Whether the file ends before what the loader maps of it, as a copy does that was interrupted: dlopen() does not look, and the process
 * dies when it touches what is not there. What is no library at all is left to dlopen(). */
int gw_library_is_cut_off(const char *path);

#endif
