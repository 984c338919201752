/* This file serves one request from end to end: find the application, call it, account for what went wrong. Go is called only at
 * the junctions, and is asked in one place. */
#include "gw_py.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t gwp_requests_served, gwp_go_entries;

static gwp_junction_fn go_junction;

void gwp_set_junction(gwp_junction_fn fn)
{
    go_junction = fn;
}

/* Apache's signal handlers must not run while the thread is on a goroutine's stack, so all signals wait. */
int gwp_go(gwp_junction junction, gwp_request *r)
{
    gwp_thread *t = gwp_thread_here();
    sigset_t all;
    int rv;

    __atomic_add_fetch(&gwp_go_entries, 1, __ATOMIC_RELAXED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &t->mask);
    t->in_go = 1;
    rv = go_junction(junction, r);
    t->in_go = 0;
    pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
    return rv;
}

void gwp_signals_restore(void)
{
    gwp_thread *t = gwp_thread_here();

    if (t->in_go)
        pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
}

void gwp_signals_block(void)
{
    sigset_t all;

    if (!gwp_thread_here()->in_go)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

int gwp_find_application(gwp_request *r)
{
    int status = 0;

    r->loaded = gwp_table_take(r->abi);
    if (r->loaded)
        r->interp = r->loaded->interp;
    while (!r->loaded && !status) /* once, and once more for each time that the file changed meanwhile */
        status = gwp_go(GWP_JUNCTION_LOAD, r);
    return status;
}

void gwp_leave_application(gwp_request *r)
{
    if (r->failure_count)
        gwp_go(GWP_JUNCTION_FAILURE, r);
    if (gwp_interp_release(r->interp))
        gwp_go(GWP_JUNCTION_END_INTERP, r);
}

/* The status of a child that ends with a SystemExit, which is the current error: as Python itself has it. */
static int exit_status(void)
{
    PyObject *type, *value, *traceback, *code, *err;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    code = PyObject_GetAttrString(value, "code");
    if (!code || code == Py_None)
        return 0;
    if (PyLong_Check(code))
        return (int)PyLong_AsLong(code);
    err = PySys_GetObject("stderr"); /* borrowed */
    if (err && PyFile_WriteObject(code, err, Py_PRINT_RAW) == 0)
        PyFile_WriteString("\n", err);
    return 1;
}

void gwp_exit_forked_child(gwp_request *r)
{
    int status = 0;

    if (r && r->failure_count)
        PyErr_Restore(r->failures[0].type, r->failures[0].value, r->failures[0].traceback);
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
            status = exit_status();
        } else {
            status = 1;
            PyErr_Print();
        }
    }
    gwp_log_flush_thread(gwp_thread_here());
    _exit(status);
}

static gowsgi_outcome outcome_of(gwp_request *r)
{
    if (r->refused || (r->failure_count && !r->began)) {
        r->abi->status = 500;
        return GOWSGI_FAILED;
    }
    if (r->gone)
        return GOWSGI_GONE;
    return r->ended ? GOWSGI_DONE : GOWSGI_ABORTED;
}

static gowsgi_outcome fail(gwp_request *r, int status)
{
    r->abi->status = status;
    return GOWSGI_FAILED;
}

static gowsgi_outcome serve(gwp_request *r)
{
    gowsgi_outcome outcome;
    int status = gwp_find_application(r);

    if (status == GWP_LOAD_RETRY)
        return GOWSGI_RETRY;
    if (status)
        return fail(r, status);
    if (gwp_enter_in_turn(r->interp) != 0) {
        static const char text[] = "GWSGI0410: no memory for a Python thread state; the request is answered 500. Give the machine more "
                                   "memory, or fewer threads";
        gwp_log_line(r, GOWSGI_LOG_ERR, text, sizeof text - 1);
        return fail(r, 500); /* the hold on the application is lost with the process's memory */
    }
    gwp_respond(r);
    outcome = outcome_of(r);
    gwp_leave_application(r);
    return outcome;
}

gowsgi_outcome gowsgi_request_serve(gowsgi_request *request)
{
    gwp_request r = {.abi = request, .thread = gwp_thread_here(), .owner = pthread_self(), .content_length = -1};
    gwp_request *around = r.thread->current; /* an application whose response has a subrequest in it */
    gowsgi_buffer head = r.thread->head, body = r.thread->body;
    gowsgi_outcome outcome;

    if (around) /* what it is sending is in the thread's buffers */
        r.thread->head = r.thread->body = (gowsgi_buffer){NULL, 0, 0};
    r.thread->head.len = 0;
    r.thread->current = &r;
    outcome = serve(&r);
    r.thread->current = around;
    if (around) {
        free(r.thread->head.data);
        free(r.thread->body.data);
        r.thread->head = head;
        r.thread->body = body;
    }
    __atomic_add_fetch(&gwp_requests_served, 1, __ATOMIC_RELAXED);
    return outcome;
}

void gowsgi_counters_read(gowsgi_counters *out)
{
    out->requests = __atomic_load_n(&gwp_requests_served, __ATOMIC_RELAXED);
    out->go_entries = __atomic_load_n(&gwp_go_entries, __ATOMIC_RELAXED);
}
