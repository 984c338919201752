/* This file opens the first libgowsgi-X.Y.so in the children of httpd.
 *
 * Why after the fork: a process that has loaded a Go library cannot fork and use Go in the child, because of the runtime's threads
 * only the forking one survives (golang/go#15538, #16855). Why it is never closed: Go cannot be unloaded (golang/go#11100). */
#include "gw_loader.h"

#include <dlfcn.h>
#include <stddef.h>
#include <sys/mman.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "http_main.h"

#include "gw_config.h"
#include "gw_home.h"
#include "gw_library.h"
#include "gw_log.h"
#include "gw_signals.h"

/* How long the end of a child may take. httpd kills a child that is not gone some ten seconds after it was told to. */
#define EXIT_TIMEOUT_MS 5000

/* The functions of the library, once it is open. */
static struct {
    const gowsgi_abi_info *(*abi_describe)(void);
    void (*go_wait)(void);
    int (*process_start)(const gowsgi_process_config *config);
    void (*process_stop)(void);
    gowsgi_outcome (*request_serve)(gowsgi_request *request);
    gowsgi_answer (*hook_call)(gowsgi_hook *hook);
} library;

static const struct {
    const char *name;
    void **function;
} symbols[] = {
    { "gowsgi_abi_describe", (void **)&library.abi_describe },
    { "gowsgi_go_wait", (void **)&library.go_wait },
    { "gowsgi_process_start", (void **)&library.process_start },
    { "gowsgi_process_stop", (void **)&library.process_stop },
    { "gowsgi_request_serve", (void **)&library.request_serve },
    { "gowsgi_hook_call", (void **)&library.hook_call },
};

/* Written in child_init only. */
static const char *refusal = "this process has not started Python";
static server_rec *log_server;

/* Shared by the children of one configuration: whether one of them has said why none can run Python. NULL: say it anyway. */
static int *said;

/* Set while this thread is inside the library: the signal handler by which prefork ends a child must not stop Python then. */
static __thread int inside;

const char *gw_loader_refusal(void)
{
    return refusal;
}

gowsgi_outcome gw_loader_serve(gowsgi_request *request)
{
    const int before = inside; /* a request of this thread may be waiting for a subrequest */
    gowsgi_outcome outcome;

    inside = 1;
    outcome = library.request_serve(request);
    inside = before;
    return outcome;
}

gowsgi_answer gw_loader_ask(gowsgi_hook *hook)
{
    const int before = inside;
    gowsgi_answer answer;

    inside = 1;
    answer = library.hook_call(hook);
    inside = before;
    return answer;
}

void *gw_loader_open_python(const char **error)
{
    void *handle = dlopen(GOWSGI_LIBPYTHON, RTLD_NOW | RTLD_GLOBAL);

    if (!handle)
        *error = dlerror();
    return handle;
}

/* ---- Opening the library ---- */

/* The folder is that of the file which this code was loaded from. */
const char *gw_loader_beside(apr_pool_t *p, const char *file)
{
    Dl_info self;
    const char *slash;

    if (!dladdr(&library, &self) || !self.dli_fname || !(slash = strrchr(self.dli_fname, '/')))
        return file;
    return apr_pstrcat(p, apr_pstrmemdup(p, self.dli_fname, (apr_size_t)(slash + 1 - self.dli_fname)), file, NULL);
}

/* Looks up all functions. Returns the name of the first that is missing, or NULL. */
static const char *resolve(void *handle)
{
    const char *missing = NULL;

    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        *symbols[i].function = dlsym(handle, symbols[i].name);
        if (!*symbols[i].function && !missing)
            missing = symbols[i].name;
    }
    return missing;
}

/* Opens the library and waits for Go. Returns what is wrong with it, or NULL. Runs with all signals blocked. */
static const char *open_library(apr_pool_t *p, const char *path)
{
    const char *missing;
    void *handle;

    if (gw_library_is_cut_off(path))
        return GW_LIBRARY_CUT_OFF;
    /* Local: nobody else is to bind to the library's symbols. libpython's were made global before. */
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return apr_psprintf(p, "it cannot be opened: %s", dlerror());
    missing = resolve(handle);
    if (library.go_wait)
        library.go_wait();
    if (missing)
        return apr_psprintf(p, "it lacks the function %s, so it is not of mod_gowsgi %s", missing, GOWSGI_VERSION);
    return gw_library_difference(library.abi_describe(), GOWSGI_PYTHON);
}

static const char *open_with_signals_held(apr_pool_t *p, const char *path)
{
    gw_signals saved;
    const char *problem;

    gw_signals_hold(&saved);
    problem = open_library(p, path);
    gw_signals_release(&saved);
    return problem;
}

/* ---- What children share ---- */

static apr_status_t unmap_said(void *unused)
{
    (void)unused;
    munmap(said, sizeof *said);
    said = NULL;
    return APR_SUCCESS;
}

void gw_loader_prepare(apr_pool_t *pconf)
{
    void *page = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    said = page;
    apr_pool_cleanup_register(pconf, NULL, unmap_said, apr_pool_cleanup_null);
}

/* All children fail alike, and httpd keeps starting new ones: the first one speaks for all. */
static int first_to_say(void)
{
    return !said || !__atomic_exchange_n(said, 1, __ATOMIC_RELAXED);
}

/* ---- Starting the process ---- */

static void log_line(int level, gowsgi_span line)
{
    ap_log_error(GW_MARK, level, 0, log_server, "%.*s", (int)line.len, line.data);
}

/* The answer of the MPM, or otherwise when it has none. */
static int ask_mpm(int question, int otherwise)
{
    int answer = 0;
    return ap_mpm_query(question, &answer) == APR_SUCCESS && answer > 0 ? answer : otherwise;
}

int gw_loader_single_process(void)
{
    /* The first is what -X defines; the second is how a configuration, or -D, asks the MPM for it alone. */
    return ap_exists_config_define("DEBUG") || ap_exists_config_define("ONE_PROCESS");
}

static void fill_from_mpm(gowsgi_process_config *config)
{
    config->multithread = ask_mpm(AP_MPMQ_IS_THREADED, AP_MPMQ_NOT_SUPPORTED) != AP_MPMQ_NOT_SUPPORTED;
    config->threads = config->multithread ? ask_mpm(AP_MPMQ_MAX_THREADS, 1) : 1;
    config->processes = gw_loader_single_process() ? 1 : ask_mpm(AP_MPMQ_MAX_DAEMONS, 1);
    config->multiprocess = config->processes > 1 && ask_mpm(AP_MPMQ_IS_FORKED, AP_MPMQ_NOT_SUPPORTED) != AP_MPMQ_NOT_SUPPORTED;
}

/* The scripts to load in Apache's own processes. */
static void fill_imports(gowsgi_process_config *config, apr_pool_t *p, server_rec *s)
{
    const apr_array_header_t *all = gw_server_config_of(s)->imports;
    gowsgi_import *imports;
    size_t count = 0;

    if (!all || !all->nelts)
        return;
    imports = apr_palloc(p, (apr_size_t)all->nelts * sizeof *imports);
    for (int i = 0; i < all->nelts; i++) {
        const gw_import *import = &APR_ARRAY_IDX(all, i, gw_import);
        if (!*import->process_group)
            imports[count++] = (gowsgi_import){ import->script, import->app_group };
    }
    config->imports = imports;
    config->import_count = count;
}

static void fill_config(gowsgi_process_config *config, apr_pool_t *p, server_rec *s)
{
    ap_version_t version;

    ap_get_server_revision(&version);
    *config = (gowsgi_process_config){
        .size = sizeof *config,
        .process_group = "",
        .python_home = gw_global_str(s, GW_PYTHON_HOME),
        .python_executable = gw_global_str(s, GW_PYTHON_EXECUTABLE),
        .python_path = gw_global_str(s, GW_PYTHON_PATH),
        .python_eggs = gw_global_str(s, GW_PYTHON_EGGS),
        .python_optimize = (int)gw_global_num(s, GW_PYTHON_OPTIMIZE),
        .dont_write_bytecode = (int)gw_global_num(s, GW_DONT_WRITE_BYTECODE),
        .python_hash_seed = gw_global_str(s, GW_PYTHON_HASH_SEED),
        .python_warnings = gw_global_str(s, GW_PYTHON_WARNINGS),
        .keep_interpreters = !gw_global_num(s, GW_DESTROY_INTERPRETER),
        .switch_interval_us = gw_global_num(s, GW_SWITCH_INTERVAL),
        .restrict_stdin = (int)gw_global_num(s, GW_RESTRICT_STDIN),
        .restrict_stdout = (int)gw_global_num(s, GW_RESTRICT_STDOUT),
        .restrict_signal = (int)gw_global_num(s, GW_RESTRICT_SIGNAL),
        .case_sensitive = (int)gw_global_num(s, GW_CASE_SENSITIVITY),
        .apache_version = { version.major, version.minor, version.patch },
        .apache_description = ap_get_server_description(),
        .apache_mpm = ap_show_mpm(),
        .apache_build_date = ap_get_server_built(),
        .exit_timeout_ms = EXIT_TIMEOUT_MS,
        .log = log_line,
        .first_to_say = first_to_say,
    };
    fill_from_mpm(config);
    fill_imports(config, p, s);
}

static apr_status_t stop_process(void *unused)
{
    (void)unused;
    if (inside)
        return APR_SUCCESS;
    gw_signals_use_stack();
    inside = 1;
    library.process_stop();
    inside = 0;
    return APR_SUCCESS;
}

static void start_process(apr_pool_t *pchild, server_rec *s)
{
    gowsgi_process_config config;
    int rc;

    fill_config(&config, pchild, s);
    inside = 1;
    rc = library.process_start(&config);
    inside = 0;
    if (rc != 0) {
        refusal = "Python could not be started in this process; the error log has the reason where the process started";
        return;
    }
    refusal = NULL;
    apr_pool_cleanup_register(pchild, NULL, stop_process, apr_pool_cleanup_null);
    ap_log_error(GW_MARK, APLOG_INFO, 0, s, "Python %s runs in this process", GOWSGI_PYTHON);
}

/* The home was checked by the parent; this user may be allowed to see less of it. */
static int home_is_usable(apr_pool_t *p, server_rec *s)
{
    const char *home = gw_global_str(s, GW_PYTHON_HOME), *problem;

    if (gw_home_verdict() == GW_HOME_BAD) {
        refusal = "WSGIPythonHome cannot be used; the error log has the reason where httpd started (GWSGI0801)";
        return 0;
    }
    if (gw_home_check(p, home, GOWSGI_PYTHON, &problem) != GW_HOME_BAD)
        return 1;
    refusal = "WSGIPythonHome cannot be used by Apache's user; the error log has the reason where httpd started (GWSGI0802)";
    if (first_to_say())
        ap_log_error(GW_MARK, APLOG_ERR, 0, s, "GWSGI0802: WSGIPythonHome %s cannot be used by Apache's user, though httpd's "
                     "parent can: %s. Python is not started, WSGI requests are answered with 500. Let Apache's user read that "
                     "folder and reach all folders above it", home, problem);
    return 0;
}

void gw_loader_start(apr_pool_t *pchild, server_rec *main_server)
{
    const char *error = NULL, *path;

    log_server = main_server;
    if (!gw_config_needs_python(main_server)) {
        refusal = "WSGIRestrictEmbedded is On, and no script of access control or dispatching is named in httpd's own configuration "
                  "files, so Apache's processes have not started Python. Name this script there once, or turn WSGIRestrictEmbedded Off";
        return;
    }
    if (!home_is_usable(pchild, main_server))
        return;
    if (!gw_loader_open_python(&error)) {
        refusal = "libpython cannot be opened; the error log has the reason where httpd started (GWSGI0101)";
        if (first_to_say())
            ap_log_error(GW_MARK, APLOG_CRIT, 0, main_server, "GWSGI0101: Python " GOWSGI_PYTHON " cannot be opened: %s. WSGI "
                         "requests are answered with 500. Install the libpython that mod_gowsgi was built for, or build and "
                         "install mod_gowsgi for another Python (make PYTHON=... install)", error);
        return;
    }
    path = gw_loader_beside(pchild, GW_LIBRARY_NAME);
    error = open_with_signals_held(pchild, path);
    if (error) {
        refusal = GW_LIBRARY_NAME " cannot be used; the error log has the reason where httpd started (GWSGI0102)";
        if (first_to_say())
            ap_log_error(GW_MARK, APLOG_CRIT, 0, main_server, "GWSGI0102: %s cannot be used: %s. WSGI requests are answered "
                         "with 500. Run make install again, so that mod_gowsgi.so and " GW_LIBRARY_NAME " come from one build",
                         path, error);
        return;
    }
    start_process(pchild, main_server);
}
