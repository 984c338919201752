/* This file declares how the end of a process is named in log lines. */
#ifndef GW_EXIT_H
#define GW_EXIT_H

#include "apr_pools.h"

/* A status as waitpid() gives it, in words: "exit status 3", or "signal 11 (SIGSEGV), core dumped". */
const char *gw_exit_describe(apr_pool_t *p, int status);

#endif
