/* This file is the contract between the Apache module (mod_gowsgi.so, C) and the libraries behind it (libgowsgi-X.Y.so,
 * Go and Python). Both sides include it, nothing else crosses. It needs neither httpd's nor Python's headers.
 *
 * Rules that hold for every function below:
 *   - What a caller passes is borrowed for the call; nothing that one side allocated is freed by the other.
 *   - A gowsgi_span is bytes with a length. It is not NUL-terminated unless its field says so.
 *   - Host functions are called without Python's GIL, one at a time, by the thread that called gowsgi_request_serve(); but
 *     read() by another thread when the application handed wsgi.input to one, and log() by any thread.
 */
#ifndef GOWSGI_ABI_H
#define GOWSGI_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Raised with every change of a struct, a function or a meaning in this file. */
#define GOWSGI_ABI_VERSION 3

/* The version of mod_gowsgi, as it is released. */
#define GOWSGI_VERSION_MAJOR 1
#define GOWSGI_VERSION_MINOR 0
#define GOWSGI_VERSION_PATCH 0
#define GOWSGI_VERSION "1.0.0"

typedef struct gowsgi_span {
    const char *data;
    size_t len;
} gowsgi_span;

/* Log levels: the numbers of httpd's APLOG_* (RFC 5424), so that the host passes them on as they are. */
typedef enum gowsgi_level {
    GOWSGI_LOG_CRIT = 2,
    GOWSGI_LOG_ERR = 3,
    GOWSGI_LOG_WARNING = 4,
    GOWSGI_LOG_NOTICE = 5,
    GOWSGI_LOG_INFO = 6,
    GOWSGI_LOG_DEBUG = 7,
    GOWSGI_LOG_TRACE1 = 8
} gowsgi_level;

/* What gowsgi_host.read() answers when it has no bytes to give. */
enum {
    GOWSGI_READ_EOF = 0,         /* the body is complete */
    GOWSGI_READ_FAILED = -1,     /* the body cannot be read, no closer reason known */
    GOWSGI_READ_GONE = -2,       /* the client closed the connection before its body was complete */
    GOWSGI_READ_TIMEOUT = -3,    /* the client sent nothing for as long as the server waits */
    GOWSGI_READ_TOO_LARGE = -4,  /* the body is longer than the server accepts */
    GOWSGI_READ_MALFORMED = -5   /* the body's framing (chunks) is not HTTP */
};

/* Flags of gowsgi_host.write(). */
enum {
    GOWSGI_WRITE_FLUSH = 1,      /* send it to the client now, do not wait for more */
    GOWSGI_WRITE_LAST = 2,       /* the response ends here; implies FLUSH */
    GOWSGI_WRITE_FINAL = 4       /* with LAST: so does the application's part; nothing more is read or logged for this request */
};

/* What a request needs from the server around it. Filled by Apache's side in embedded mode, by the socket's side in a
 * daemon process, by a fake in unit tests. ctx is gowsgi_request.host_ctx. */
typedef struct gowsgi_host {
    size_t size;                 /* sizeof(gowsgi_host) of who filled it */

    /* Reads up to cap (> 0) bytes of the request body into buf, waiting for at least one. The first call is when the
     * client that asked "Expect: 100-continue" is told to go on. Returns the number of bytes, or GOWSGI_READ_*. */
    ssize_t (*read)(void *ctx, char *buf, size_t cap);

    /* States status and headers of the response; nothing is sent before the first write(), file() or end.
     * status_line is "200 OK" and NUL-terminated. headers is packed (gowsgi_packed.h); names are tokens, values hold no
     * control characters. content_length is that of the response in bytes, or -1 when not known; it is not
     * among the headers. Returns 0, or -1 when the host cannot use them (it has logged why). */
    int (*head)(void *ctx, int status, gowsgi_span status_line, gowsgi_span headers, int64_t content_length);

    /* Sends bytes of the response's body, in order; data may be empty. Returns 0, or -1 when the client is gone. */
    int (*write)(void *ctx, gowsgi_span data, unsigned flags);

    /* Sends length bytes of the open file fd from offset and ends the response. The caller keeps fd and may close it
     * after the call. Returns 0, or -1 when the client is gone. */
    int (*file)(void *ctx, int fd, int64_t offset, int64_t length);

    /* Logs one line (no newline) with the request's context. Any thread, with or without the GIL. */
    void (*log)(void *ctx, int level, gowsgi_span line);
} gowsgi_host;

/* How gowsgi_request_serve() ended. */
typedef enum gowsgi_outcome {
    GOWSGI_DONE = 0,             /* the response is complete and was handed to the host */
    GOWSGI_FAILED = 1,           /* nothing was sent: answer gowsgi_request.status. The reason is logged */
    GOWSGI_ABORTED = 2,          /* the response began and cannot be completed: drop the connection so that the client
                                    can tell. The reason is logged */
    GOWSGI_GONE = 3,             /* the client went away; nothing is left to do */
    GOWSGI_RETRY = 4             /* the script changed and GOWSGI_REQ_RELOAD_PROCESS is set: the application did not run and will
                                    not in this process */
} gowsgi_outcome;

/* Flags of a request. */
enum {
    GOWSGI_REQ_RELOAD = 1,              /* WSGIScriptReloading On */
    GOWSGI_REQ_RELOAD_INTERPRETER = 2,  /* WSGIReloadMechanism Interpreter */
    GOWSGI_REQ_HEAD = 4,                /* the method is HEAD: no body will reach the client */
    GOWSGI_REQ_RELOAD_PROCESS = 8,      /* WSGIReloadMechanism Process, in a daemon process */
    GOWSGI_REQ_IGNORE_ACTIVITY = 16     /* WSGIIgnoreActivity: no activity to inactivity-timeout */
};

/* One request, filled by the host, living for the one call of gowsgi_request_serve(). */
typedef struct gowsgi_request {
    size_t size;                 /* sizeof(gowsgi_request) of who filled it */
    const gowsgi_host *host;
    void *host_ctx;
    gowsgi_span environ;         /* packed (gowsgi_packed.h): the CGI variables and all other str items of the WSGI
                                    environ, among them wsgi.url_scheme; a later item replaces an earlier one */
    gowsgi_span script;          /* absolute path of the script file, NUL-terminated */
    gowsgi_span app_group;       /* expanded; "" is the main interpreter; NUL-terminated */
    gowsgi_span callable;        /* name of the entry point; NUL-terminated */
    int64_t script_mtime;        /* modification time of the script as the server saw it in this request, in
                                    microseconds since the epoch; 0 when not known */
    int64_t start_time;          /* when the request arrived, microseconds since the epoch */
    int64_t queue_start;         /* when the Apache child sent it to a daemon process, and … */
    int64_t daemon_start;        /* … when a thread there took it up; 0 where there is no daemon process */
    unsigned flags;              /* GOWSGI_REQ_* */
    int status;                  /* out: the HTTP status to answer after GOWSGI_FAILED */
} gowsgi_request;

/* Flags of a question: what the function may return, and how it is asked. */
enum {
    GOWSGI_HOOK_NONE = 1,        /* None */
    GOWSGI_HOOK_BOOL = 2,        /* True or False; nothing else that is true or false */
    GOWSGI_HOOK_STR = 4,         /* a str: not empty, characters up to U+00FF, no control characters */
    GOWSGI_HOOK_BYTES = 8,       /* a bytes object, with the same rules */
    GOWSGI_HOOK_LIST = 16,       /* an iterable of str and bytes, but neither of these itself */
    GOWSGI_HOOK_OPTIONAL = 32,   /* the script need not have the function */
    GOWSGI_HOOK_RELOAD = 64,     /* WSGIScriptReloading On */
    GOWSGI_HOOK_EMPTY = 128      /* a str or bytes object that is returned may be empty */
};

/* What gowsgi_hook_call() got for an answer. */
typedef enum gowsgi_answer {
    GOWSGI_ANSWER_FAILED = 0,    /* none that its flags allow: no script, no function, an exception. The reason is logged */
    GOWSGI_ANSWER_ABSENT = 1,    /* there is no such function, and GOWSGI_HOOK_OPTIONAL is set */
    GOWSGI_ANSWER_NONE = 2,
    GOWSGI_ANSWER_FALSE = 3,
    GOWSGI_ANSWER_TRUE = 4,
    GOWSGI_ANSWER_TEXT = 5,      /* gowsgi_hook.answer is the text, NUL-terminated */
    GOWSGI_ANSWER_LIST = 6       /* gowsgi_hook.answer is packed (gowsgi_packed.h): the texts as names, with empty values */
} gowsgi_answer;

#define GOWSGI_HOOK_ARGS 2

/* A question to a function of a script that is not an application (WSGIAccessScript and its kin), living for one call of
 * gowsgi_hook_call(). Bytes become str, and str become bytes, as latin-1: a character is a byte, as in an environ. */
typedef struct gowsgi_hook {
    size_t size;                 /* sizeof(gowsgi_hook) of who filled it */
    const gowsgi_host *host;     /* only its log() is called */
    void *host_ctx;
    gowsgi_span environ;         /* packed: the str items of the function's first argument */
    gowsgi_span script, app_group; /* as in a gowsgi_request */
    gowsgi_span function;        /* its name; NUL-terminated */
    gowsgi_span args[GOWSGI_HOOK_ARGS]; /* further arguments: str */
    size_t arg_count;
    int64_t script_mtime;        /* as in a gowsgi_request */
    unsigned flags;              /* GOWSGI_HOOK_* */
    const char *role;            /* for the log: the directive that names the script */
    const char *consequence;     /* for the log: what follows from a failure, "access is denied" */
    char *(*room)(void *host_ctx, size_t len); /* gives memory, which stays the host's, for the answer; called with the GIL */
    gowsgi_span answer;          /* out: in that memory */
} gowsgi_hook;

/* A script to load before the first request (WSGIImportScript). Both NUL-terminated. */
typedef struct gowsgi_import {
    const char *script;
    const char *app_group;
} gowsgi_import;

/* What a process is to be. Strings are NUL-terminated; NULL is "not configured". Read during gowsgi_process_start(),
 * not after it. */
typedef struct gowsgi_process_config {
    size_t size;                 /* sizeof(gowsgi_process_config) of who filled it */
    const char *process_group;   /* "" for Apache's own children */
    const char *python_home;     /* WSGIPythonHome: prefix or prefix:exec_prefix, or a virtual environment */
    const char *python_executable; /* WSGIPythonExecutable */
    const char *python_path;     /* WSGIPythonPath: directories, separated by ':' */
    const char *python_eggs;     /* WSGIPythonEggs */
    int python_optimize;         /* WSGIPythonOptimize: 0, 1, 2 */
    int dont_write_bytecode;     /* WSGIDontWriteBytecode: 0 or 1 */
    const char *python_hash_seed; /* WSGIPythonHashSeed: "random" or digits */
    const char *python_warnings; /* WSGIPythonWarnings: each on a line */
    int keep_interpreters;       /* WSGIDestroyInterpreter Off: 1 */
    int64_t switch_interval_us;  /* WSGISwitchInterval in microseconds; 0: not configured */
    int restrict_stdin, restrict_stdout, restrict_signal;  /* 0 or 1 */
    int case_sensitive;          /* WSGICaseSensitivity: 0 or 1 */
    int threads;                 /* how many threads may serve requests at once, > 0 */
    int processes;               /* how many such processes there may be, > 0 */
    int multithread, multiprocess; /* wsgi.multithread, wsgi.multiprocess */
    int apache_version[3];       /* environ's apache.version */
    const char *apache_description, *apache_mpm, *apache_build_date; /* module apache's attributes */
    int exit_timeout_ms;         /* how long gowsgi_process_stop() may take, in milliseconds */
    const gowsgi_import *imports;
    size_t import_count;
    /* Logs one line (no newline) outside of any request. Any thread, with or without the GIL, also after start. */
    void (*log)(int level, gowsgi_span line);
    /* Whether to log why Python cannot be used: 0 when another process, which failed alike, has said so. Called once at most. */
    int (*first_to_say)(void);
} gowsgi_process_config;

/* What the library was built as; compared by the loader before anything else is called. */
typedef struct gowsgi_abi_info {
    int abi_version;
    size_t host_size, request_size, hook_size, config_size;
    uint64_t table_hash;         /* of directives/directives.def and daemon_options.def, see directives/table_hash.h */
    const char *version;         /* GOWSGI_VERSION */
    const char *python;          /* "3.11": the Python it was built for */
} gowsgi_abi_info;

/* Numbers since the process started; for tests and status pages. */
typedef struct gowsgi_counters {
    uint64_t requests;           /* requests served */
    uint64_t go_entries;         /* calls from C into Go */
} gowsgi_counters;

/* ---- Functions that the library exports. The first is looked up and called before the others. ---- */

/* What the library is. C; any thread. */
const gowsgi_abi_info *gowsgi_abi_describe(void);

/* Waits until the Go runtime, which starts on a thread of its own when the library is opened, is ready, so that the caller can
 * put signal handlers right before anything else runs. Called once, by the thread that opened the library, with all
 * signals blocked: Go's threads inherit that mask. */
void gowsgi_go_wait(void);

/* Starts Go and Python in this process: called once, after the last fork, by the process's main thread, which so becomes
 * Python's main thread. Loads the scripts of config->imports before it returns. Does not raise: what fails is logged.
 * Returns 0, or -1 when Python cannot be used in this process; every request is then answered 500. */
int gowsgi_process_start(const gowsgi_process_config *config);

/* Runs exit functions, ends the interpreters. Called once, by the main thread, after the last request. Bounded by
 * exit_timeout_ms: the process exits when that has passed. */
void gowsgi_process_stop(void);

/* Serves one request on the calling thread, with any signal mask. Enters Go only for what is not ordinary (first use, a
 * changed script, an error). Any number of threads at once; not before gowsgi_process_start() returned 0. */
gowsgi_outcome gowsgi_request_serve(gowsgi_request *request);

/* Asks a function of a script, on the calling thread, with any signal mask; also from within a host function of a request that the
 * thread serves. The script is loaded at its first use and when it changed, as one of an application is with
 * WSGIReloadMechanism Module. Any number of threads at once; not before gowsgi_process_start() returned 0. */
gowsgi_answer gowsgi_hook_call(gowsgi_hook *hook);

/* Copies the counters. C; any thread. */
void gowsgi_counters_read(gowsgi_counters *out);

/* The processes of daemon mode, for gowsgid: called once, by the main thread, with the descriptors that package daemon names. Each
 * returns the process's exit status. */
int gowsgi_supervisor_main(void);
int gowsgi_worker_main(void);

#endif
