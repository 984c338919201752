/* This file makes, enters and ends Python interpreters. */
#include "gw_py.h"

#include <stdlib.h>
#include <string.h>

static gwp_interp *main_interp;
static unsigned long main_thread_id; /* as Python has it */
static pthread_mutex_t ours_lock = PTHREAD_MUTEX_INITIALIZER; /* guards gwp_interp.ours */
static pthread_mutex_t turnstile = PTHREAD_MUTEX_INITIALIZER; /* held by the request that begins next */

static gwp_interp *interp_record(const char *name)
{
    gwp_interp *interp = calloc(1, sizeof *interp);

    if (interp && !(interp->name = strdup(name))) {
        free(interp);
        return NULL;
    }
    return interp;
}

/* Adds a thread state to those that gwp_interp_end() has to end. */
static int ours_add(gwp_interp *interp, PyThreadState *ts)
{
    PyThreadState **ours;

    pthread_mutex_lock(&ours_lock);
    ours = realloc(interp->ours, (interp->our_count + 1) * sizeof(PyThreadState *));
    if (ours) {
        interp->ours = ours;
        ours[interp->our_count++] = ts;
    }
    pthread_mutex_unlock(&ours_lock);
    return ours ? 0 : -1;
}

/* Python 3.14 asks for the names of all threads that have a state when it shows their stacks, and does not bear that one has ended. This
 * one's states stay until their interpreter ends, so they are put down to the main thread. */
static void disown(gwp_interp *interp, PyThreadState *ts)
{
    for (size_t i = 0; i < interp->our_count; i++)
        if (interp->ours[i] == ts)
            ts->thread_id = main_thread_id;
}

void gwp_thread_disown(const struct gwp_thread *t)
{
    pthread_mutex_lock(&ours_lock);
    for (size_t i = 0; i < t->slot_count; i++) {
        if (t->slots[i].interp == main_interp)
            t->slots[i].ts->thread_id = main_thread_id;
        else
            disown(t->slots[i].interp, t->slots[i].ts);
    }
    pthread_mutex_unlock(&ours_lock);
}

/* Remembers this thread's state in an interpreter, in a slot that is free or whose interpreter has ended. */
static int slot_put(gwp_thread *t, gwp_interp *interp, PyThreadState *ts)
{
    gwp_slot *slots;
    size_t i;

    for (i = 0; i < t->slot_count; i++)
        if (t->slots[i].interp->ended)
            break;
    if (i == t->slot_count) {
        slots = realloc(t->slots, (i + 1) * sizeof *slots);
        if (!slots)
            return -1;
        t->slots = slots;
        t->slot_count = i + 1;
    }
    t->slots[i] = (gwp_slot){.interp = interp, .ts = ts};
    return interp == main_interp ? 0 : ours_add(interp, ts);
}

static PyThreadState *slot_find(const gwp_thread *t, const gwp_interp *interp)
{
    for (size_t i = 0; i < t->slot_count; i++)
        if (t->slots[i].interp == interp)
            return t->slots[i].ts;
    return NULL;
}

/* The thread's state in interp, made when it has none. The one in the main interpreter comes first: CPython keeps a thread's first
 * state for PyGILState_Ensure(), and extension modules expect the main interpreter there. */
static PyThreadState *thread_state(gwp_interp *interp)
{
    gwp_thread *t = gwp_thread_here();
    PyThreadState *ts = slot_find(t, interp);

    if (ts)
        return ts;
    if (interp != main_interp && !thread_state(main_interp))
        return NULL;
    ts = PyThreadState_New(interp->python);
    if (ts && slot_put(t, interp, ts) != 0)
        return NULL;
    return ts;
}

int gwp_enter(gwp_interp *interp)
{
    PyThreadState *ts = thread_state(interp);

    if (!ts)
        return -1;
    PyEval_RestoreThread(ts);
    return 0;
}

int gwp_enter_in_turn(gwp_interp *interp)
{
    int rv;

    pthread_mutex_lock(&turnstile);
    rv = gwp_enter(interp);
    pthread_mutex_unlock(&turnstile);
    return rv;
}

void gwp_leave(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    /* From 3.12 on CPython keeps for PyGILState_Ensure() the state that a thread used last. gwp_interp_end() deletes states of
     * sub-interpreters on behalf of other threads, so none may be the one that is kept. */
    PyThreadState *main_ts = slot_find(gwp_thread_here(), main_interp);
    if (main_ts && main_ts != PyThreadState_Get())
        PyThreadState_Swap(main_ts);
#endif
    PyEval_SaveThread();
}

void gwp_thread_depart(void)
{
    gwp_thread *t = gwp_thread_here();

    for (size_t i = 0; i < t->slot_count; i++) {
        if (t->slots[i].interp != main_interp)
            continue;
        PyEval_RestoreThread(t->slots[i].ts);
        PyThreadState_Clear(t->slots[i].ts);
        PyThreadState_DeleteCurrent();
        t->slots[i] = t->slots[--t->slot_count];
        return;
    }
}

gwp_interp *gwp_interp_adopt_main(void)
{
    PyThreadState *ts = PyThreadState_Get();
    gwp_interp *interp = interp_record("");

    if (!interp)
        return NULL;
    interp->python = PyThreadState_GetInterpreter(ts);
    main_interp = interp;
    main_thread_id = ts->thread_id;
    gwp_stacks_prepare(); /* without it there is nothing to show, and that is said then */
    gwp_interp_announce(interp);
    if (slot_put(gwp_thread_here(), interp, ts) != 0 || gwp_module_install(interp) != 0)
        return NULL;
    return interp;
}

gwp_interp *gwp_interp_new(const char *name, const char **why)
{
    gwp_interp *interp = interp_record(name);
    PyThreadState *main_ts, *ts;

    *why = "out of memory";
    if (!interp || gwp_enter(main_interp) != 0)
        return NULL;
    main_ts = PyThreadState_Get();
    ts = Py_NewInterpreter();
    if (!ts) {
        *why = "Py_NewInterpreter() failed";
        PyThreadState_Swap(main_ts);
        gwp_leave();
        return NULL;
    }
    interp->python = PyThreadState_GetInterpreter(ts);
    gwp_interp_announce(interp);
    if (slot_put(gwp_thread_here(), interp, ts) != 0 || gwp_module_install(interp) != 0) {
        *why = "the module mod_wsgi could not be set up in it";
        if (PyErr_Occurred())
            PyErr_Print();
        interp->ended = 1;
        Py_EndInterpreter(ts);
        PyThreadState_Swap(main_ts);
        gwp_leave();
        return NULL;
    }
    gwp_leave();
    return interp;
}

/* Calls module.function() and drops what it returns or raises: an exit function that fails must not keep the rest from running. */
static void call_quietly(const char *module, const char *function)
{
    PyObject *name = PyUnicode_FromString(module);
    PyObject *m = name ? PyImport_GetModule(name) : NULL; /* one that was never imported has nothing to run */
    PyObject *result = m ? PyObject_CallMethod(m, function, NULL) : NULL;

    if (PyErr_Occurred())
        PyErr_WriteUnraisable(m);
    Py_XDECREF(result);
    Py_XDECREF(m);
    Py_XDECREF(name);
}

void gwp_main_exit_functions(void)
{
    if (gwp_enter(main_interp) != 0)
        return;
    call_quietly("threading", "_shutdown");
    call_quietly("atexit", "_run_exitfuncs");
    gwp_leave();
}

/* How many thread states an interpreter has beside one. */
static int other_threads(const gwp_interp *interp, const PyThreadState *mine)
{
    int n = 0;

    for (PyThreadState *ts = PyInterpreterState_ThreadHead(interp->python); ts; ts = PyThreadState_Next(ts))
        n += ts != mine;
    return n;
}

/* Ends the thread states that our own threads have in an interpreter; those of threads that the application started stay. Nobody of ours
 * is inside: the interpreter has no users. With its GIL, in a state that is not among them. */
static void clear_our_threads(gwp_interp *interp)
{
    PyThreadState **ours;
    size_t count;

    /* Clearing runs destructors of the application, which may give up the GIL: not under the lock. */
    pthread_mutex_lock(&ours_lock);
    ours = interp->ours;
    count = interp->our_count;
    interp->ours = NULL;
    interp->our_count = 0;
    pthread_mutex_unlock(&ours_lock);
    for (size_t i = 0; i < count; i++) {
        PyThreadState_Clear(ours[i]);
        PyThreadState_Delete(ours[i]);
    }
    free(ours);
}

/* Identities of threads that ended are given again: without this, threading may take the caller for the thread that it was
 * imported by, and miss that one's thread state, which is gone. */
static void forget_importer(void)
{
    PyObject *name = PyUnicode_FromString("threading");
    PyObject *threading = name ? PyImport_GetModule(name) : NULL;
    PyObject *importer = threading ? PyObject_GetAttrString(threading, "_main_thread") : NULL;
    PyObject *nobody = importer ? PyLong_FromLong(0) : NULL;

    if (nobody)
        PyObject_SetAttrString(importer, "_ident", nobody);
    PyErr_Clear();
    Py_XDECREF(nobody);
    Py_XDECREF(importer);
    Py_XDECREF(threading);
    Py_XDECREF(name);
}

int gwp_interp_end(gwp_interp *interp, int keep)
{
    PyThreadState *mine, *main_ts;

    /* A state just for this: the thread may have one that is ours, which is to go like the others. */
    if (!thread_state(main_interp) || !(mine = PyThreadState_New(interp->python)))
        return 1;
    PyEval_RestoreThread(mine);
    /* First, for threading waits for the thread that it was imported by, and that one may be ours. */
    clear_our_threads(interp);
    forget_importer();
    call_quietly("threading", "_shutdown");
    call_quietly("atexit", "_run_exitfuncs");
    if (keep || other_threads(interp, mine) > 0) {
        PyThreadState_Clear(mine);
        PyThreadState_DeleteCurrent();
        return 1;
    }
    gwp_leave();
    if (gwp_enter(main_interp) != 0)
        return 1;
    main_ts = PyThreadState_Swap(mine);
    interp->ended = 1;
    Py_EndInterpreter(mine);
    PyThreadState_Swap(main_ts);
    gwp_leave();
    return 0;
}
