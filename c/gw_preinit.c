/* This file initialises Python in httpd's parent, through functions that it looks up: mod_gowsgi.so is not linked with libpython.
 * libpython stays open and initialised over restarts, which is why restarts lose no memory by it. Go is not involved. */
#include "gw_preinit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "apr_strings.h"

#include "gw_config.h"
#include "gw_home.h"
#include "gw_loader.h"
#include "gw_log.h"

/* What Python's embedding interface has had from 3.9 on, and may drop one day. */
typedef struct python {
    int (*is_initialized)(void);
    void (*initialize_ex)(int install_signal_handlers);
    wchar_t *(*decode_locale)(const char *text, size_t *size);
    void (*set_home)(const wchar_t *home);
    void (*set_program_name)(const wchar_t *name);
    int *optimize_flag;
    int (*run)(const char *statements);
    void (*before_fork)(void);
    void (*after_fork_parent)(void);
} python;

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
    { "Py_IsInitialized", offsetof(python, is_initialized) },
    { "Py_InitializeEx", offsetof(python, initialize_ex) },
    { "Py_DecodeLocale", offsetof(python, decode_locale) },
    { "Py_SetPythonHome", offsetof(python, set_home) },
    { "Py_SetProgramName", offsetof(python, set_program_name) },
    { "Py_OptimizeFlag", offsetof(python, optimize_flag) },
    { "PyRun_SimpleString", offsetof(python, run) },
    { "PyOS_BeforeFork", offsetof(python, before_fork) },
    { "PyOS_AfterFork_Parent", offsetof(python, after_fork_parent) },
};

/* Returns what is wrong, or NULL. */
static const char *find_symbols(apr_pool_t *p, void *handle, python *py)
{
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = dlsym(handle, symbols[i].name);
        if (!found)
            return apr_psprintf(p, "Python " GOWSGI_PYTHON " has no %s", symbols[i].name);
        memcpy((char *)py + symbols[i].offset, &found, sizeof found);
    }
    return NULL;
}

/* Returns what is wrong, or NULL. */
static const char *open_python(apr_pool_t *p, python *py)
{
    const char *error = NULL;
    void *handle = gw_loader_open_python(&error);

    return handle ? find_symbols(p, handle, py) : apr_pstrdup(p, error);
}

/* The interpreter that belongs to libpython: PREFIX/bin/python3.N for PREFIX/lib/... or PREFIX/lib/TRIPLET/.... Python would
 * look for one on PATH otherwise, where another one may come first. NULL when there is none. */
static const char *own_program(apr_pool_t *p, const python *py)
{
    static const char *const up[] = { "/../bin/", "/../../bin/" };
    Dl_info self;
    char *folder;

    if (!dladdr((void *)py->is_initialized, &self) || !self.dli_fname)
        return NULL;
    folder = realpath(self.dli_fname, NULL);
    if (!folder)
        return NULL;
    *strrchr(folder, '/') = '\0';
    for (size_t i = 0; i < sizeof up / sizeof *up; i++) {
        const char *program = apr_pstrcat(p, folder, up[i], "python" GOWSGI_PYTHON, NULL);
        if (access(program, X_OK) == 0) {
            free(folder);
            return program;
        }
    }
    free(folder);
    return NULL;
}

/* Puts a variable back to what it was; Python's copy of the environment, which it makes when it starts, loses it where it was not. */
static void restore_variable(apr_pool_t *p, const python *py, const char *name, const char *before)
{
    if (before) {
        setenv(name, before, 1);
        return;
    }
    unsetenv(name);
    py->run(apr_psprintf(p, "import os; os.environ.pop('%s', None)", name));
}

/* PYTHONWARNINGS as it is, and our filters behind. */
static const char *warnings_with(apr_pool_t *p, const char *before, const char *lines)
{
    char *all = before && *before ? apr_pstrcat(p, before, ",", lines, NULL) : apr_pstrdup(p, lines);

    for (char *s = all; *s; s++)
        if (*s == '\n')
            *s = ',';
    return all;
}

/* The functions that initialise Python without a PyConfig take from the environment what they have no argument for. It is put back
 * as it was: httpd's other children inherit it. */
static void initialize_with_environment(apr_pool_t *p, const python *py, server_rec *s)
{
    const char *warnings = gw_global_str(s, GW_PYTHON_WARNINGS);
    const struct {
        const char *name, *value; /* value NULL: not configured */
    } variables[] = {
        { "PYTHONDONTWRITEBYTECODE", gw_global_num(s, GW_DONT_WRITE_BYTECODE) ? "1" : NULL },
        { "PYTHONHASHSEED", gw_global_str(s, GW_PYTHON_HASH_SEED) },
        { "PYTHONWARNINGS", warnings ? warnings_with(p, getenv("PYTHONWARNINGS"), warnings) : NULL },
    };
    enum { COUNT = sizeof variables / sizeof *variables };
    const char *before[COUNT];

    for (int i = 0; i < COUNT; i++) {
        before[i] = apr_pstrdup(p, getenv(variables[i].name));
        if (variables[i].value)
            setenv(variables[i].name, variables[i].value, 1);
    }
    py->initialize_ex(0);
    for (int i = 0; i < COUNT; i++)
        if (variables[i].value)
            restore_variable(p, py, variables[i].name, before[i]);
}

/* A virtual environment is found from where its interpreter would be; an installation is told by its prefix. */
static void initialize(apr_pool_t *p, const python *py, server_rec *s, gw_home_kind kind)
{
    const char *home = gw_global_str(s, GW_PYTHON_HOME);
    const char *program = gw_global_str(s, GW_PYTHON_EXECUTABLE);

    if (!program)
        program = kind == GW_HOME_VENV ? apr_pstrcat(p, home, "/bin/python", NULL) : own_program(p, py);
    if (kind == GW_HOME_PREFIX)
        py->set_home(py->decode_locale(home, NULL));
    if (program)
        py->set_program_name(py->decode_locale(program, NULL));
    *py->optimize_flag = (int)gw_global_num(s, GW_PYTHON_OPTIMIZE);
    initialize_with_environment(p, py, s);
}

/* Whether Python initialises at all: it ends the process when it cannot, and httpd is to go on. So a child tries it first. */
static const char *rehearse(apr_pool_t *p, const python *py, server_rec *s, gw_home_kind kind)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return "there is no process for a trial";
    if (pid == 0) {
        initialize(p, py, s, kind);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return "Python cannot initialise itself; what it said stands above";
    return NULL;
}

/* ---- Forks of the parent ---- */

/* Python has to know of each fork, before it: a child that goes on with it finds its locks as the fork left them. That child says
 * PyOS_AfterFork_Child() when it starts; others, which execute a program, do without. */
static python forking;             /* its functions are NULL where Python is not to know */
static pthread_t initialiser;      /* holds the GIL for ever */
static int told;                   /* about the fork that goes on */

static void before_fork(void)
{
    told = forking.before_fork && pthread_equal(pthread_self(), initialiser);
    if (told)
        forking.before_fork();
}

static void after_fork_in_parent(void)
{
    if (told)
        forking.after_fork_parent();
    told = 0;
}

/* From here on it is the child that forks, for its applications, and Python that does it. */
static void after_fork_in_child(void)
{
    forking.before_fork = NULL;
    told = 0;
}

/* httpd loads this module anew at each restart; the C library forgets the handlers of one that is unloaded. */
static const char *watch_forks(const python *py)
{
    static int watching;

    initialiser = pthread_self();
    forking = *py;
    if (watching || pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0) {
        watching = 1;
        return NULL;
    }
    forking.before_fork = NULL;
    return "there is no memory to tell it of forks";
}

/* Python is initialised here still when it was before a restart that turned WSGILazyInitialization On. */
static void watch_forks_of_earlier_python(apr_pool_t *p)
{
    void *handle = dlopen(GOWSGI_LIBPYTHON, RTLD_NOW | RTLD_NOLOAD);
    python py;

    if (handle && !find_symbols(p, handle, &py) && py.is_initialized())
        watch_forks(&py);
}

static const char *initialize_once(apr_pool_t *p, server_rec *s, gw_home_kind kind)
{
    python py;
    const char *problem = open_python(p, &py);

    if (!problem && !py.is_initialized()) {
        problem = rehearse(p, &py, s, kind);
        if (!problem)
            initialize(p, &py, s, kind);
    }
    return problem ? problem : watch_forks(&py);
}

void gw_preinit_run(server_rec *s)
{
    gw_home_kind kind = gw_home_verdict();
    const char *problem;
    apr_pool_t *p;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS)
        return;
    /* With httpd -X there is no child that could inherit anything. */
    if (gw_global_num(s, GW_LAZY_INITIALIZATION) || !gw_config_needs_python(s) || kind == GW_HOME_BAD || gw_loader_single_process()) {
        watch_forks_of_earlier_python(p);
    } else {
        problem = initialize_once(p, s, kind);
        if (problem)
            ap_log_error(GW_MARK, APLOG_ERR, 0, s, "GWSGI0103: WSGILazyInitialization is Off, but Python cannot be initialised in "
                         "httpd's parent: %s. Each child starts Python by itself, as with WSGILazyInitialization On", problem);
    }
    apr_pool_destroy(p);
}
