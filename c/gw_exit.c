/* This file names the end of a process, as describeStatus() in daemon/supervisor/exit.go does. */
#include "gw_exit.h"

#include <string.h>
#include <sys/wait.h>

#include "apr_strings.h"

/* Without "SIG"; NULL: there is none, or the C library does not tell. */
static const char *name_of(int signal)
{
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 32)
    return sigabbrev_np(signal);
#endif
#endif
    (void)signal;
    return NULL;
}

const char *gw_exit_describe(apr_pool_t *p, int status)
{
    const char *name, *core;

    if (!WIFSIGNALED(status))
        return apr_psprintf(p, "exit status %d", WEXITSTATUS(status));
    name = name_of(WTERMSIG(status));
    core = WCOREDUMP(status) ? ", core dumped" : "";
    if (!name)
        return apr_psprintf(p, "signal %d%s", WTERMSIG(status), core);
    return apr_psprintf(p, "signal %d (SIG%s)%s", WTERMSIG(status), name, core);
}
