/* This file names the end of a process, as describeStatus() in daemon/supervisor/exit.go does. */
#include "gw_exit.h"

#include <string.h>
#include <sys/wait.h>

#include "apr_strings.h"

const char *gw_exit_describe(apr_pool_t *p, int status)
{
    const char *name, *core;

    if (!WIFSIGNALED(status))
        return apr_psprintf(p, "exit status %d", WEXITSTATUS(status));
    name = sigabbrev_np(WTERMSIG(status));
    core = WCOREDUMP(status) ? ", core dumped" : "";
    if (!name)
        return apr_psprintf(p, "signal %d%s", WTERMSIG(status), core);
    return apr_psprintf(p, "signal %d (SIG%s)%s", WTERMSIG(status), name, core);
}
