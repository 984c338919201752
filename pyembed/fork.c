/* This file makes os.fork() work in a process with several interpreters.
 *
 * In the child, CPython's PyOS_AfterFork_Child() deletes every interpreter but the main one. As soon as there is another, that hangs
 * (3.9 to 3.12) or aborts (3.13), and in the child of a sub-interpreter it aborts always. So before it comes to that, the child is made
 * a process with one interpreter, the one that forked: the others are taken out of CPython's list. Their memory stays, and nobody looks
 * at it: their threads are not in the child. What this needs of CPython is in headers that it installs but does not promise to keep. */
#define Py_BUILD_CORE 1
#include "gw_py.h"

#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>

/* Whether CPython's records are where its headers said when this was compiled. */
static int records_known(void)
{
    return _PyRuntime.interpreters.head == PyInterpreterState_Head() &&
           _PyRuntime.interpreters.main == PyInterpreterState_Main();
}

int gwp_fork_works_in_sub_interpreters(void)
{
    /* The sub-interpreters of 3.12 allocate from the main interpreter, which they find by its being the main one. */
    return records_known() && PY_VERSION_HEX >> 16 != 0x030C;
}

void gwp_fork_keep_one(void)
{
    PyThreadState *ts = _PyThreadState_UncheckedGet();

    if (!ts || !records_known()) /* not Python's fork */
        return;
    _PyRuntime.interpreters.head = _PyRuntime.interpreters.main = ts->interp;
    ts->interp->next = NULL;
}
