/* This file is what the C files of pyembed/ share: the interpreters, the threads that enter them, the applications that
 * are loaded, and the request that is being served.
 *
 * Who guards what:
 *   - "table" is one mutex of the process (apptable.c). It is held for some instructions only, never while Python or Go runs.
 *   - Everything that is a PyObject is touched only with the GIL, inside the interpreter that made it.
 *   - A gwp_request lives on the stack of gowsgi_request_serve(); the objects an application may keep longer (Input,
 *     StartResponse, Log) point to it and are cut off before it goes.
 */
#ifndef GW_PY_H
#define GW_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>

#include "gowsgi_abi.h"
#include "gowsgi_buffer.h"

/* ---- interpreters (interp.c) ---- */

typedef struct gwp_state gwp_state;

/* A Python interpreter: an application group in this process. Never freed, so that a thread may hold on to a stale one. */
typedef struct gwp_interp {
    char *name;                   /* the application group; "" is the main interpreter */
    PyInterpreterState *python;
    gwp_state *state;             /* our module's state in it; set before the interpreter is published */
    int users;                    /* requests inside; table */
    int retired;                  /* gets no new requests, ends when users is 0; table */
    int ended;                    /* Python's part is gone; table */
    struct gwp_interp *next;      /* all that there ever were; stacks.c */
    PyThreadState **ours;         /* the thread states that our threads have in it; interp.c */
    size_t our_count;
} gwp_interp;

/* Makes the interpreter for an application group and runs setup in it. The caller has no GIL. NULL when Python cannot; *why
 * is then a static text. */
gwp_interp *gwp_interp_new(const char *name, const char **why);

/* Adopts the interpreter that Python was initialised with; the caller is Python's main thread and holds the GIL. */
gwp_interp *gwp_interp_adopt_main(void);

/* Takes the GIL in an interpreter, with this thread's own thread state, which is made at the first call. Thread states
 * belong to an OS thread and are never passed on. Returns 0, or -1 when no thread state can be made. */
int gwp_enter(gwp_interp *interp);

/* gwp_enter() for a request that begins: one at a time waits for the GIL, the others for that one. If all waited for the GIL, those that
 * are inside already would be interrupted by many, halfway and with locks of the application taken; the others then queue for these,
 * and from there on each use of such a lock costs a switch of threads: a Django page was seen to cost 1.7 times the CPU. */
int gwp_enter_in_turn(gwp_interp *interp);

/* Gives the GIL back. */
void gwp_leave(void);

/* Ends the calling thread's state in the main interpreter, for a thread that is about to end. Without the GIL. */
void gwp_thread_depart(void);

/* For a thread that ends and leaves its states behind: to Python they are the main thread's. Without the GIL. */
struct gwp_thread;
void gwp_thread_disown(const struct gwp_thread *t);

/* Ends a sub-interpreter that has no users: joins its threads, runs its exit functions. Without the GIL. Returns 0 when it is
 * gone, 1 when threads of the application still run in it, or when it is to be kept: it then stays as it is, unused. */
int gwp_interp_end(gwp_interp *interp, int keep);

/* Runs the exit functions of the main interpreter: non-daemon threads are joined, atexit functions run. */
void gwp_main_exit_functions(void);

/* ---- stacks (stacks.c) ---- */

/* Adds an interpreter to those whose stacks can be shown, before code of others runs in it. */
void gwp_interp_announce(gwp_interp *interp);

/* The one that was added last, or NULL; the others are behind it, by next. */
gwp_interp *gwp_interp_latest(void);

/* When Python has started, with the GIL in the main interpreter: tells faulthandler. Returns 0, or -1 when it cannot be told. */
int gwp_stacks_prepare(void);

/* Begins a new text of stacks. Returns the descriptor that has it, which stays open, or -1 when this process cannot show any. One at a time. */
int gwp_stacks_begin(void);

/* Adds the Python stacks of all threads of an interpreter to the text. They are read with its GIL, if that can be had within patience_ms, and
 * without any lock otherwise: then the process should end soon, for what was read may have changed meanwhile, and a thread of this
 * process waits for the GIL still. Without the GIL. Returns 1 with the GIL, 0 without, -1 when nothing came of it. */
int gwp_stacks_show(gwp_interp *interp, long patience_ms);

/* Before there is any interpreter of ours, while Python starts: writes its stacks to fd. Returns 0, or -1 when this Python cannot. */
int gwp_stacks_of_start(int fd);

/* ---- threads (thread.c) ---- */

typedef struct gwp_request gwp_request;

/* An interpreter and this thread's state in it. */
typedef struct gwp_slot {
    gwp_interp *interp;
    PyThreadState *ts;
} gwp_slot;

/* What a thread that serves requests keeps from one to the next. */
typedef struct gwp_thread {
    long id;                      /* 1, 2, 3 … in this process: environ's mod_wsgi.thread_id */
    gwp_request *current;         /* the request it serves, or NULL */
    gwp_slot *slots;
    size_t slot_count;
    gowsgi_buffer head;              /* packed response headers of the current request */
    gowsgi_buffer body;              /* a small response's body */
    gowsgi_buffer stderr_line;       /* the line that sys.stderr has begun on this thread */
    sigset_t mask;                /* the caller's signal mask while the thread is in Go */
    int in_go;
} gwp_thread;

gwp_thread *gwp_thread_here(void); /* never NULL: the process ends without memory */

/* 1 in a child that application code forked off this process. What Go or Apache own is out of reach there. */
extern volatile int gwp_forked;
void gwp_thread_setup(void);       /* once, at start */

/* ---- signal handlers of applications (handlers.c) ---- */

/* From now on Python writes a byte to fd, which must not block, when a signal comes that has a handler. With the GIL. */
void gwp_handlers_watch(int fd);

/* In a forked child, which calls its handlers itself: undoes gwp_handlers_watch(). */
void gwp_handlers_forget(void);

/* Calls the handlers of the signals that came. On Python's main thread, with the GIL in the main interpreter. Returns 0, or -1 with
 * the exception of a handler; there may be more to call then. */
int gwp_handlers_call(void);

/* ---- forked children (fork.c) ---- */

/* In the child of a fork that Python code made, before Python goes on in it: leaves it the interpreter that forked, alone. */
void gwp_fork_keep_one(void);

/* Whether a child can go on in a sub-interpreter. */
int gwp_fork_works_in_sub_interpreters(void);

/* ---- applications (apptable.c) ---- */

/* An application as it was loaded once; replaced as a whole, never changed. */
typedef struct gwp_loaded {
    gwp_interp *interp;
    PyObject *module, *callable;
    int64_t mtime;                /* of the script file when it was read, microseconds */
    int refs;                     /* of the table and of requests */
} gwp_loaded;

/* Finds the application of a request and takes a hold of it and of its interpreter. NULL when it is not loaded, or when the
 * script's mtime differs and the request asks for reloading: Go then has a closer look. */
gwp_loaded *gwp_table_take(const gowsgi_request *req);

/* Lets go of what gwp_table_take() or gwp_table_publish() gave. With the GIL of its interpreter, which the caller leaves after it. */
void gwp_table_release(gwp_loaded *loaded);

/* Marks an interpreter as in use while an application is loaded into it. Returns 0, or -1 when it was retired meanwhile. */
int gwp_interp_hold(gwp_interp *interp);

/* Takes back the mark of gwp_table_take() or gwp_interp_hold(). Returns 1 when it was the last of a retired one: end it. */
int gwp_interp_release(gwp_interp *interp);

/* Puts an application into the table in place of the one that was there, which goes to *before for its release (or NULL). When interp
 * was retired meanwhile the table stays as it is. Takes over the references. With the GIL of interp, and a hold of it. Returns the
 * application with a reference for the caller, or NULL without memory. */
gwp_loaded *gwp_table_publish(const char *script, const char *app_group, const char *callable, gwp_interp *interp,
                              PyObject *module, PyObject *object, int64_t mtime, gwp_loaded **before);

/* Looks, without taking hold: the mtime of a loaded application, or -1 when it is not loaded. */
int64_t gwp_table_mtime(const char *script, const char *app_group, const char *callable);

/* Marks an interpreter as retired and takes its applications out of the table. Without the GIL. Returns 1 when it has no users and the
 * caller is to end it; 0 when its last user will, or another thread has retired it. */
int gwp_table_retire(gwp_interp *interp);

/* ---- our Python module mod_wsgi (modwsgi.c) ---- */

#define GWP_KEY_CACHE 256

/* A name of the environ as a str object of one interpreter. */
typedef struct gwp_key {
    PyObject *str;
    uint32_t hash;
    int is_path;                  /* its value is decoded as a file name */
} gwp_key;

/* The state of module mod_wsgi in one interpreter: everything of ours that is a PyObject. */
struct gwp_state {
    gwp_interp *interp;
    PyTypeObject *input_type, *log_type, *start_response_type, *file_wrapper_type;
    PyObject *file_place;         /* setup.py's function */
    PyObject *environ;            /* what is the same in each environ of this interpreter; copied for a request */
    PyObject *s_input, *s_errors, *s_thread_id, *s_request_start, *s_application_start, *s_close, *s_read;
    PyObject *s_queue_start, *s_daemon_start;
    gwp_key keys[GWP_KEY_CACHE];
};

/* Makes module mod_wsgi in the current interpreter and runs setup.py's code in it. -1 with a Python error set. */
int gwp_module_install(gwp_interp *interp);

/* The process's settings that setup hands to Python; filled once before the first interpreter is made. */
typedef struct gwp_settings {
    const char *process_group, *home, *python_path, *apache_description, *apache_mpm, *apache_build_date;
    const char *setup_source;     /* setup.py */
    int restrict_stdin, restrict_stdout, restrict_signal;
    int threads, processes, multithread, multiprocess, run_once;
    int apache_version[3];
    double switch_interval;       /* seconds; 0: Python's */
    void (*log)(int level, gowsgi_span line);
} gwp_settings;

extern gwp_settings gwp_process;

/* ---- the objects an application sees ---- */

extern PyType_Spec gwp_input_spec, gwp_log_spec, gwp_start_response_spec, gwp_file_wrapper_spec;

/* A new dict with what each environ of the interpreter has and with packed pairs. NULL with a Python error set. */
PyObject *gwp_environ_pairs(gwp_state *st, gowsgi_span packed);
PyObject *gwp_environ_new(gwp_state *st, const gowsgi_request *req, long thread_id, PyObject *input, PyObject *errors);

PyObject *gwp_input_new(gwp_state *st, gwp_request *r);
void gwp_input_detach(PyObject *input);          /* with the GIL; waits for a reader on another thread */
void gwp_input_lock(PyObject *input);            /* around I/O of the request's own thread; without the GIL */
void gwp_input_unlock(PyObject *input);

PyObject *gwp_log_new(gwp_state *st, gwp_request *r); /* r NULL: sys.stderr, which follows the thread's request */
void gwp_log_detach(PyObject *log);
void gwp_log_flush_thread(gwp_thread *t);        /* logs the line that sys.stderr began; with or without the GIL */
void gwp_log_line(gwp_request *r, int level, const char *data, size_t len);

PyObject *gwp_start_response_new(gwp_state *st, gwp_request *r);
void gwp_start_response_detach(PyObject *start);

/* If result is our FileWrapper around a regular file that was not begun otherwise: 1 and the file's place; else 0. */
int gwp_file_wrapper_open(gwp_state *st, PyObject *result, int *fd, int64_t *offset, int64_t *length);

/* ---- a request (serve.c, respond.c) ---- */

/* Where an exception came from. */
typedef enum gwp_phase {
    GWP_PHASE_CALL = 0,           /* calling the application */
    GWP_PHASE_ITERATE = 1,        /* iterating over its response */
    GWP_PHASE_CLOSE = 2,          /* calling close() */
    GWP_PHASE_SERVER = 3          /* our own part */
} gwp_phase;

/* An exception, taken from its thread state; owned. */
typedef struct gwp_failure {
    gwp_phase phase;
    PyObject *type, *value, *traceback;
} gwp_failure;

#define GWP_MAX_FAILURES 2        /* one of the application, one of its close() */

struct gwp_request {
    gowsgi_request *abi;
    gowsgi_hook *hook;            /* the question that abi stands for, to a script that is no application (hook.c); else NULL */
    gwp_thread *thread;
    pthread_t owner;
    gwp_loaded *loaded;
    gwp_interp *interp;
    PyObject *input, *errors, *start;
    /* the response, as start_response() stated it */
    int status;                   /* 0: start_response() was not called */
    char status_line[256];
    int64_t content_length;       /* -1: not stated */
    int64_t sent;                 /* bytes of body handed to the host */
    int may_exceed;               /* more body than content_length is as it should be, or was said */
    int began;                    /* the head is fixed and goes out; set with the GIL, which start_response() has too */
    int head_sent;                /* the host was given the head */
    int refused;                  /* the host could not use it */
    int ended;                    /* the host was told the end */
    int gone;                     /* the client is gone */
    int read_failure;             /* GOWSGI_READ_* of a read that failed, or 0 */
    gwp_failure failures[GWP_MAX_FAILURES];
    int failure_count;
};

/* Calls the application and sends what it returns. With the GIL, which it may give up; returns without it. */
void gwp_respond(gwp_request *r);

/* Sends one piece of the body, with the head before it when that is due. Without the GIL. Returns 0, -1 when the client is gone. */
int gwp_send(gwp_request *r, gowsgi_span data, unsigned flags);

/* Takes the current Python error into r. With the GIL. */
void gwp_failure_take(gwp_request *r, gwp_phase phase);

/* A child that the application forked has come back from it into the server's code. It must neither answer the request nor run what is
 * the server's at its exit: it ends here, with the status of a SystemExit, 1 after another exception, 0 otherwise. The exception is r's
 * first failure or, with r NULL, the current Python error. With the GIL. */
void gwp_exit_forked_child(gwp_request *r);

/* Finds the application of a request, with Go's help when it is not in the table: r->loaded and r->interp, held. For a question what
 * is found may be None, or an object that cannot be called. Returns 0, or the status to answer. */
int gwp_find_application(gwp_request *r);

/* Ends what gwp_find_application() began, after r->loaded was let go of: the exceptions of the request are logged, the hold of the
 * interpreter is given back. Without the GIL. */
void gwp_leave_application(gwp_request *r);

/* ---- into Go (serve.c) ---- */

/* Why the C road calls Go. */
typedef enum gwp_junction {
    GWP_JUNCTION_LOAD = 0,        /* the application is not loaded, or its script changed */
    GWP_JUNCTION_FAILURE = 1,     /* exceptions are to be logged: r->failures */
    GWP_JUNCTION_END_INTERP = 2   /* r->interp was retired and has no users any more */
} gwp_junction;

/* What the junction LOAD answers instead of a status when the process must not load a changed script: GOWSGI_RETRY. */
#define GWP_LOAD_RETRY (-1)

/* Go's side; called without the GIL and with all signals blocked. For LOAD: returns 0 with r->loaded and r->interp set and held, or
 * without when the interpreter was retired meanwhile and LOAD is to be asked again, else the HTTP status to answer; the reason is
 * logged. Others: 0. */
typedef int (*gwp_junction_fn)(int junction, void *request);

void gwp_set_junction(gwp_junction_fn fn);
int gwp_go(gwp_junction junction, gwp_request *r); /* calls it with signals blocked */

/* For Go while it is in a junction: application code must run with the signal mask of its thread, for the threads and processes that
 * it starts inherit it. */
void gwp_signals_restore(void);
void gwp_signals_block(void);

extern uint64_t gwp_requests_served, gwp_go_entries;

/* ---- start (runtime.c) ---- */

typedef struct gwp_python_config {
    const char *home, *executable; /* or NULL */
    int optimize, dont_write_bytecode;
    const char *hash_seed;         /* "random" or digits, or NULL */
    const char *warnings;          /* filters as of python -W, each on a line, or NULL */
} gwp_python_config;

/* The Python this was compiled for, "3.11". Any thread, also before Python starts. */
const char *gwp_python_version(void);

/* The file of the libpython that this code is linked with; "" if it cannot be told. */
const char *gwp_libpython_path(void);

/* Initialises Python, or adopts one that was initialised before the fork. Holds the GIL on success (0). On failure -1, *why is
 * Python's reason; valid until the next call. */
int gwp_python_start(const gwp_python_config *config, const char **why);

/* Executes compiled code as module `name` in the current interpreter, with the thread's own signal mask. A new reference to the
 * module, or NULL with a Python error set. */
PyObject *gwp_exec_module(const char *name, PyObject *code, const char *path);

#endif
