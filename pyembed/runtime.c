/* This file starts Python in this process. */
#include "gw_py.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char reason[512];

const char *gwp_libpython_path(void)
{
    Dl_info info;

    return dladdr((void *)(uintptr_t)Py_InitializeEx, &info) ? info.dli_fname : "";
}

/* Extension modules of most distributions are not linked with libpython: they expect to find it among the global symbols. The library
 * that this code is linked with is opened once more, for that. */
static int publish_libpython(void)
{
    const char *error;

    if (dlopen(gwp_libpython_path(), RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL))
        return 0;
    error = dlerror();
    snprintf(reason, sizeof reason, "libpython cannot be made visible to extension modules: %s", error ? error : "not found");
    return -1;
}

static void set_hash_seed(PyConfig *c, const char *seed)
{
    if (!seed)
        return;
    c->use_hash_seed = strcmp(seed, "random") != 0;
    c->hash_seed = c->use_hash_seed ? strtoul(seed, NULL, 10) : 0;
}

/* Adds the lines to those of PYTHONWARNINGS; later ones take precedence. */
static PyStatus add_warnings(PyConfig *c, const char *lines)
{
    PyStatus status = PyStatus_Ok();
    size_t n;

    for (; lines && *lines && !PyStatus_Exception(status); lines += n + (lines[n] == '\n')) {
        char line[1024];
        wchar_t *wide;
        n = strcspn(lines, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, lines);
        wide = Py_DecodeLocale(line, NULL);
        status = wide ? PyWideStringList_Append(&c->warnoptions, wide) : PyStatus_NoMemory();
        PyMem_RawFree(wide);
    }
    return status;
}

static PyStatus configure(PyConfig *c, const gwp_python_config *config)
{
    PyStatus status;

    c->install_signal_handlers = 0;
    c->parse_argv = 0;
    c->optimization_level = config->optimize;
    if (config->dont_write_bytecode)
        c->write_bytecode = 0;
    set_hash_seed(c, config->hash_seed);
    status = PyConfig_SetBytesString(c, &c->program_name, config->executable ? config->executable : "python3");
    if (!PyStatus_Exception(status) && config->executable)
        status = PyConfig_SetBytesString(c, &c->executable, config->executable);
    if (!PyStatus_Exception(status) && config->home)
        status = PyConfig_SetBytesString(c, &c->home, config->home);
    if (!PyStatus_Exception(status))
        status = add_warnings(c, config->warnings);
    return status;
}

static int initialise(const gwp_python_config *config)
{
    PyConfig c;
    PyStatus status;

    PyConfig_InitPythonConfig(&c);
    status = configure(&c, config);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&c);
    PyConfig_Clear(&c);
    if (PyStatus_Exception(status)) {
        snprintf(reason, sizeof reason, "%s", status.err_msg ? status.err_msg : "no reason given");
        return -1;
    }
    return 0;
}

int gwp_python_start(const gwp_python_config *config, const char **why)
{
    *why = reason;
    if (publish_libpython() != 0)
        return -1;
    if (Py_IsInitialized()) {
        /* The parent did it, and held the GIL when it forked: this thread has it now. */
        PyOS_AfterFork_Child();
        return 0;
    }
    return initialise(config);
}

#define TEXT(x) #x
#define VERSION_TEXT(major, minor) TEXT(major) "." TEXT(minor)
#ifdef Py_GIL_DISABLED
#define FLAVOUR "t"
#else
#define FLAVOUR ""
#endif

const char *gwp_python_version(void)
{
    return VERSION_TEXT(PY_MAJOR_VERSION, PY_MINOR_VERSION) FLAVOUR;
}

PyObject *gwp_exec_module(const char *name, PyObject *code, const char *path)
{
    PyObject *module;

    gwp_signals_restore();
    module = PyImport_ExecCodeModuleEx(name, code, path);
    if (gwp_forked) /* the script forked, and this is the child: Go is out of reach */
        gwp_exit_forked_child(NULL);
    gwp_signals_block();
    return module;
}
