/* This file turns a packed environ into the dict that the application gets. Names come from a cache of interned str objects, one
 * for each interpreter. */
#include "gw_py.h"

#include "gowsgi_packed.h"

#include <string.h>

static uint32_t hash_name(gowsgi_span name)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.data[i]) * 16777619u;
    return h;
}

static int same(PyObject *str, gowsgi_span name)
{
    return (size_t)PyUnicode_GET_LENGTH(str) == name.len && !memcmp(PyUnicode_1BYTE_DATA(str), name.data, name.len);
}

static int names_path(gowsgi_span name)
{
    return (name.len == 13 && !memcmp(name.data, "DOCUMENT_ROOT", 13)) ||
           (name.len == 15 && !memcmp(name.data, "SCRIPT_FILENAME", 15));
}

/* The str of a name, a new reference. What clients send fills the cache to its size and no further: a name whose places are
 * taken is made anew. */
static PyObject *key_str(gwp_state *st, gowsgi_span name, int *is_path)
{
    uint32_t hash = hash_name(name);
    gwp_key *k = NULL;
    PyObject *str;

    for (uint32_t probe = 0; probe < 4; probe++) {
        k = &st->keys[(hash + probe) % GWP_KEY_CACHE];
        if (!k->str)
            break;
        if (k->hash == hash && same(k->str, name)) {
            *is_path = k->is_path;
            Py_INCREF(k->str);
            return k->str;
        }
    }
    *is_path = names_path(name);
    str = PyUnicode_DecodeLatin1(name.data, (Py_ssize_t)name.len, NULL);
    if (str && !k->str) {
        PyUnicode_InternInPlace(&str);
        Py_INCREF(str);
        *k = (gwp_key){.str = str, .hash = hash, .is_path = *is_path};
    }
    return str;
}

static int set_item(gwp_state *st, PyObject *env, gowsgi_span name, gowsgi_span value)
{
    PyObject *key, *str = NULL;
    int is_path, rv = -1;

    key = key_str(st, name, &is_path);
    if (!key)
        return -1;
    str = is_path ? PyUnicode_DecodeFSDefaultAndSize(value.data, (Py_ssize_t)value.len)
                  : PyUnicode_DecodeLatin1(value.data, (Py_ssize_t)value.len, NULL);
    if (str)
        rv = PyDict_SetItem(env, key, str);
    Py_XDECREF(str);
    Py_DECREF(key);
    return rv;
}

static int set_owned(PyObject *env, PyObject *key, PyObject *value)
{
    int rv = value ? PyDict_SetItem(env, key, value) : -1;

    Py_XDECREF(value);
    return rv;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

PyObject *gwp_environ_pairs(gwp_state *st, gowsgi_span packed)
{
    PyObject *env = PyDict_Copy(st->environ);
    gowsgi_span name, value;
    int more = 0;

    while (env && (more = gowsgi_packed_next(&packed, &name, &value)) > 0)
        if (set_item(st, env, name, value) != 0)
            Py_CLEAR(env);
    if (env && more < 0) {
        PyErr_SetString(PyExc_ValueError, "the server handed over a malformed environ");
        Py_CLEAR(env);
    }
    return env;
}

PyObject *gwp_environ_new(gwp_state *st, const gowsgi_request *req, long thread_id, PyObject *input, PyObject *errors)
{
    PyObject *env = gwp_environ_pairs(st, req->environ);

    if (!env)
        return NULL;
    if (PyDict_SetItem(env, st->s_input, input) != 0 || PyDict_SetItem(env, st->s_errors, errors) != 0 ||
        set_owned(env, st->s_thread_id, PyLong_FromLong(thread_id)) != 0 ||
        set_owned(env, st->s_request_start, PyFloat_FromDouble((double)req->start_time / 1e6)) != 0 ||
        set_owned(env, st->s_application_start, PyFloat_FromDouble(now())) != 0)
        goto failed;
    if (req->daemon_start &&
        (set_owned(env, st->s_queue_start, PyFloat_FromDouble((double)req->queue_start / 1e6)) != 0 ||
         set_owned(env, st->s_daemon_start, PyFloat_FromDouble((double)req->daemon_start / 1e6)) != 0))
        goto failed;
    return env;

failed:
    Py_DECREF(env);
    return NULL;
}
