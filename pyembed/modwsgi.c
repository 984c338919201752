/* This file is the Python module mod_wsgi, which exists once in each interpreter, with our types and all objects that requests share.
 * It is initialised in several phases and keeps its objects in its own state, not in C globals, so that each interpreter has its own. */
#include "gw_py.h"

gwp_settings gwp_process;

static PyObject *counters(PyObject *module, PyObject *unused)
{
    gowsgi_counters n;

    (void)module;
    (void)unused;
    gowsgi_counters_read(&n);
    return Py_BuildValue("{sKsK}", "requests", (unsigned long long)n.requests, "go_entries",
                         (unsigned long long)n.go_entries);
}

/* log(level, text): a line of our own for setup.py, with the context of the request that the thread serves. */
static PyObject *log_text(PyObject *module, PyObject *args)
{
    const char *text;
    Py_ssize_t len;
    int level;

    (void)module;
    if (!PyArg_ParseTuple(args, "is#:_log", &level, &text, &len))
        return NULL;
    gwp_log_line(gwp_thread_here()->current, level, text, (size_t)len);
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"counters", counters, METH_NOARGS, "Numbers of this process since it started: requests, go_entries."},
    {"_log", log_text, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
}

static int module_exec(PyObject *module)
{
    gwp_state *st = PyModule_GetState(module);

    st->input_type = add_type(module, &gwp_input_spec);
    st->log_type = add_type(module, &gwp_log_spec);
    st->start_response_type = add_type(module, &gwp_start_response_spec);
    st->s_input = PyUnicode_InternFromString("wsgi.input");
    st->s_errors = PyUnicode_InternFromString("wsgi.errors");
    st->s_thread_id = PyUnicode_InternFromString("mod_wsgi.thread_id");
    st->s_request_start = PyUnicode_InternFromString("mod_wsgi.request_start");
    st->s_application_start = PyUnicode_InternFromString("mod_wsgi.application_start");
    st->s_queue_start = PyUnicode_InternFromString("mod_wsgi.queue_start");
    st->s_daemon_start = PyUnicode_InternFromString("mod_wsgi.daemon_start");
    st->s_close = PyUnicode_InternFromString("close");
    if (!st->input_type || !st->log_type || !st->start_response_type || PyErr_Occurred())
        return -1;
    return 0;
}

/* The state is visited, for the types know the module; nothing is cleared before the interpreter ends. */
static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    gwp_state *st = PyModule_GetState(module);

    Py_VISIT(st->input_type);
    Py_VISIT(st->log_type);
    Py_VISIT(st->start_response_type);
    Py_VISIT(st->file_wrapper_type);
    Py_VISIT(st->file_place);
    Py_VISIT(st->environ);
    return 0;
}

static int module_clear(PyObject *module)
{
    gwp_state *st = PyModule_GetState(module);

    Py_CLEAR(st->input_type);
    Py_CLEAR(st->log_type);
    Py_CLEAR(st->start_response_type);
    Py_CLEAR(st->file_wrapper_type);
    Py_CLEAR(st->file_place);
    Py_CLEAR(st->environ);
    Py_CLEAR(st->s_input);
    Py_CLEAR(st->s_errors);
    Py_CLEAR(st->s_thread_id);
    Py_CLEAR(st->s_request_start);
    Py_CLEAR(st->s_application_start);
    Py_CLEAR(st->s_queue_start);
    Py_CLEAR(st->s_daemon_start);
    Py_CLEAR(st->s_close);
    for (int i = 0; i < GWP_KEY_CACHE; i++)
        Py_CLEAR(st->keys[i].str);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_def = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "mod_wsgi",
                                        .m_size = sizeof(gwp_state),
                                        .m_methods = module_methods,
                                        .m_slots = module_slots,
                                        .m_traverse = module_traverse,
                                        .m_clear = module_clear,
                                        .m_free = module_free};

/* The module object, made and executed by hand: Python may have been initialised before we could have named it a built-in. */
static PyObject *make_module(void)
{
    PyObject *machinery = PyImport_ImportModule("importlib.machinery");
    PyObject *spec = machinery ? PyObject_CallMethod(machinery, "ModuleSpec", "sO", "mod_wsgi", Py_None) : NULL;
    PyObject *module = spec ? PyModule_FromDefAndSpec(&module_def, spec) : NULL;

    Py_XDECREF(spec);
    Py_XDECREF(machinery);
    if (module && PyModule_ExecDef(module, &module_def) != 0)
        Py_CLEAR(module);
    return module;
}

static PyObject *settings_dict(const char *app_group)
{
    const gwp_settings *p = &gwp_process;

    return Py_BuildValue("{sssssOsOsOsOsisisOsOsO}", "process_group", p->process_group, "application_group", app_group,
                         "restrict_stdin", p->restrict_stdin ? Py_True : Py_False, "restrict_stdout",
                         p->restrict_stdout ? Py_True : Py_False, "restrict_signal",
                         p->restrict_signal ? Py_True : Py_False, "can_fork",
                         !*app_group || gwp_fork_works_in_sub_interpreters() ? Py_True : Py_False, "threads", p->threads, "processes", p->processes,
                         "multithread", p->multithread ? Py_True : Py_False, "multiprocess",
                         p->multiprocess ? Py_True : Py_False, "run_once", p->run_once ? Py_True : Py_False);
}

/* What setup.py gets to know of the server. */
static PyObject *server_dict(void)
{
    const gwp_settings *p = &gwp_process;

    return Py_BuildValue("{s(iii)s(iii)szszszszszsd}", "version", GOWSGI_VERSION_MAJOR, GOWSGI_VERSION_MINOR,
                         GOWSGI_VERSION_PATCH, "apache_version", p->apache_version[0], p->apache_version[1],
                         p->apache_version[2], "apache_description", p->apache_description, "apache_mpm",
                         p->apache_mpm, "apache_build_date", p->apache_build_date, "home", p->home, "python_path",
                         p->python_path, "switch_interval", p->switch_interval);
}

/* Runs setup.py; returns its namespace. */
static PyObject *run_setup(PyObject *module, const char *app_group, PyObject *stderr_log)
{
    PyObject *settings = settings_dict(app_group), *server = server_dict(), *names = NULL, *code = NULL, *result = NULL;

    if (settings && server && PyDict_Update(settings, server) == 0)
        names = Py_BuildValue("{sOsOsOsO}", "__builtins__", PyEval_GetBuiltins(), "mod_wsgi", module, "settings", settings,
                              "stderr", stderr_log);
    if (names)
        code = Py_CompileString(gwp_process.setup_source, "<mod_wsgi setup>", Py_file_input);
    if (code)
        result = PyEval_EvalCode(code, names, names);
    if (!result)
        Py_CLEAR(names);
    Py_XDECREF(result);
    Py_XDECREF(code);
    Py_XDECREF(settings);
    Py_XDECREF(server);
    return names;
}

int gwp_module_install(gwp_interp *interp)
{
    PyObject *module = make_module(), *modules = PyImport_GetModuleDict(), *names = NULL, *log = NULL;
    gwp_state *st;
    int rv = -1;

    if (!module)
        return -1;
    st = PyModule_GetState(module);
    st->interp = interp;
    interp->state = st;
    log = gwp_log_new(st, NULL);
    if (log && PyDict_SetItemString(modules, "mod_wsgi", module) == 0)
        names = run_setup(module, interp->name, log);
    if (names) {
        st->environ = PyDict_GetItemString(names, "environ");
        st->file_wrapper_type = (PyTypeObject *)PyDict_GetItemString(names, "FileWrapper");
        st->file_place = PyDict_GetItemString(names, "file_place");
        Py_XINCREF(st->environ);
        Py_XINCREF(st->file_place);
        Py_XINCREF(st->file_wrapper_type);
        rv = st->environ && st->file_wrapper_type && st->file_place ? 0 : -1;
    }
    Py_XDECREF(names);
    Py_XDECREF(log);
    /* One reference to the module stays with the interpreter: its state must outlive what an application does to sys.modules. */
    if (rv != 0)
        Py_DECREF(module);
    return rv;
}
