/* This file asks functions of scripts that are not applications: who may have access, who a user is, where a request runs. The way to
 * the function is that of a request to its application (serve.c): through the table, and through Go when it is not there. What the
 * function returns is taken strictly, for more than one answer to "may he?" is true in Python. */
#include "gw_py.h"

#include "gowsgi_packed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest answer: more is a mistake, such as an iterator that does not end. */
#define MAX_ANSWER (1 << 20)

/* Logs one line about the function. */
__attribute__((format(printf, 3, 4))) static void say(gwp_request *r, const char *code, const char *format, ...)
{
    const gowsgi_hook *hook = r->hook;
    char what[512], line[6144];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s: %s '%s' (application group '%s'): %s() %s; %s", code, hook->role, hook->script.data,
             hook->app_group.data, hook->function.data, what, hook->consequence);
    gwp_log_line(r, GOWSGI_LOG_ERR, line, strlen(line));
}

/* ---- What it returned ---- */

/* What the function may return, for the log. */
static const char *expected(unsigned flags)
{
    switch (flags & (GOWSGI_HOOK_NONE | GOWSGI_HOOK_BOOL | GOWSGI_HOOK_STR | GOWSGI_HOOK_BYTES | GOWSGI_HOOK_LIST)) {
    case GOWSGI_HOOK_NONE | GOWSGI_HOOK_BOOL:
        return "True, False or None";
    case GOWSGI_HOOK_NONE | GOWSGI_HOOK_BOOL | GOWSGI_HOOK_STR:
        return "True, False, None or a str";
    case GOWSGI_HOOK_NONE | GOWSGI_HOOK_STR | GOWSGI_HOOK_BYTES:
        return "a str, bytes or None";
    case GOWSGI_HOOK_LIST:
        return "a list, or another iterable, of str or bytes";
    default:
        return "something else";
    }
}

/* An exception of the function's own, or of the object that it returned. */
static gowsgi_answer fail(gwp_request *r)
{
    gwp_failure_take(r, GWP_PHASE_CALL);
    return GOWSGI_ANSWER_FAILED;
}

/* A str or bytes object as bytes; a new reference. NULL for a str with other characters than those of latin-1. */
static PyObject *bytes_of(PyObject *text)
{
    PyObject *bytes;

    if (PyBytes_Check(text)) {
        Py_INCREF(text);
        return text;
    }
    bytes = PyUnicode_AsLatin1String(text);
    if (!bytes)
        PyErr_Clear();
    return bytes;
}

static int has_control_characters(const char *data, Py_ssize_t len)
{
    for (Py_ssize_t i = 0; i < len; i++)
        if ((unsigned char)data[i] < 0x20 || data[i] == 0x7f)
            return 1;
    return 0;
}

/* Hands over an answer. */
static gowsgi_answer give(gwp_request *r, gowsgi_answer kind, const char *data, size_t len)
{
    gowsgi_hook *hook = r->hook;
    char *to = hook->room(hook->host_ctx, len + 1);

    if (!to) {
        say(r, "GWSGI1206", "returned more than there is memory for");
        return GOWSGI_ANSWER_FAILED;
    }
    if (len)
        memcpy(to, data, len);
    to[len] = '\0';
    hook->answer = (gowsgi_span){to, len};
    return kind;
}

static gowsgi_answer take_text(gwp_request *r, PyObject *text)
{
    PyObject *bytes = bytes_of(text);
    gowsgi_answer answer = GOWSGI_ANSWER_FAILED;

    if (!bytes)
        say(r, "GWSGI1206", "returned a str with characters beyond U+00FF; texts are like those of environ, a character for each byte");
    else if (PyBytes_GET_SIZE(bytes) == 0 && !(r->hook->flags & GOWSGI_HOOK_EMPTY))
        say(r, "GWSGI1206", "returned an empty %.100s, where %s is expected", Py_TYPE(text)->tp_name, expected(r->hook->flags));
    else if (has_control_characters(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes)))
        say(r, "GWSGI1206", "returned a text with control characters");
    else if (PyBytes_GET_SIZE(bytes) > MAX_ANSWER)
        say(r, "GWSGI1206", "returned a text of more than %d bytes", MAX_ANSWER);
    else
        answer = give(r, GOWSGI_ANSWER_TEXT, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_XDECREF(bytes);
    return answer;
}

/* Adds a member of a list to what is packed. Returns 0, or -1 with the reason logged. */
static int pack_member(gwp_request *r, gowsgi_buffer *packed, PyObject *member)
{
    PyObject *bytes;
    size_t len;

    if (!PyUnicode_Check(member) && !PyBytes_Check(member)) {
        say(r, "GWSGI1206", "returned a list with an object of type '%.100s' in it, where str or bytes is expected",
            Py_TYPE(member)->tp_name);
        return -1;
    }
    bytes = bytes_of(member);
    if (!bytes) {
        say(r, "GWSGI1206", "returned a str with characters beyond U+00FF; texts are like those of environ, a character for each byte");
        return -1;
    }
    len = GOWSGI_PACKED_PAIR_OVERHEAD + (size_t)PyBytes_GET_SIZE(bytes);
    if (len > MAX_ANSWER - packed->len || gowsgi_buffer_reserve(packed, len) != 0) {
        say(r, "GWSGI1206", "returned a list of more than %d bytes", MAX_ANSWER);
        Py_DECREF(bytes);
        return -1;
    }
    gowsgi_packed_put(packed->data + packed->len, (gowsgi_span){PyBytes_AS_STRING(bytes), len - GOWSGI_PACKED_PAIR_OVERHEAD},
                      (gowsgi_span){"", 0});
    packed->len += len;
    Py_DECREF(bytes);
    return 0;
}

static gowsgi_answer take_list(gwp_request *r, PyObject *iterator)
{
    gowsgi_buffer packed = {NULL, 0, 0};
    gowsgi_answer answer = GOWSGI_ANSWER_FAILED;
    PyObject *member;
    int rv = 0;

    while (rv == 0 && (member = PyIter_Next(iterator)) != NULL) {
        rv = pack_member(r, &packed, member);
        Py_DECREF(member);
    }
    if (PyErr_Occurred())
        fail(r);
    else if (rv == 0)
        answer = give(r, GOWSGI_ANSWER_LIST, packed.data, packed.len);
    free(packed.data);
    return answer;
}

static gowsgi_answer take_nonsense(gwp_request *r, PyObject *result)
{
    say(r, "GWSGI1206", "returned an object of type '%.100s', where %s is expected", Py_TYPE(result)->tp_name,
        expected(r->hook->flags));
    return GOWSGI_ANSWER_FAILED;
}

static gowsgi_answer take_answer(gwp_request *r, PyObject *result)
{
    const unsigned flags = r->hook->flags;
    gowsgi_answer answer;
    PyObject *iterator;

    if (result == Py_None && flags & GOWSGI_HOOK_NONE)
        return GOWSGI_ANSWER_NONE;
    if (PyBool_Check(result) && flags & GOWSGI_HOOK_BOOL)
        return result == Py_True ? GOWSGI_ANSWER_TRUE : GOWSGI_ANSWER_FALSE;
    if ((PyUnicode_Check(result) && flags & GOWSGI_HOOK_STR) || (PyBytes_Check(result) && flags & GOWSGI_HOOK_BYTES))
        return take_text(r, result);
    /* A str is an iterable of str, too: its characters, which nobody means. */
    if (!(flags & GOWSGI_HOOK_LIST) || PyUnicode_Check(result) || PyBytes_Check(result))
        return take_nonsense(r, result);
    iterator = PyObject_GetIter(result);
    if (!iterator && !Py_TYPE(result)->tp_iter) {
        PyErr_Clear();
        return take_nonsense(r, result);
    }
    if (!iterator)
        return fail(r);
    answer = take_list(r, iterator);
    Py_DECREF(iterator);
    return answer;
}

/* ---- The call ---- */

/* What an application's environ has and this one has not. */
static const char *const left_out[] = {"wsgi.file_wrapper", "wsgi.input_terminated", "mod_wsgi.queue_start", "mod_wsgi.daemon_start"};

static PyObject *new_environ(gwp_request *r)
{
    gwp_state *st = r->interp->state;
    PyObject *env = gwp_environ_pairs(st, r->hook->environ);

    for (size_t i = 0; env && i < sizeof left_out / sizeof *left_out; i++)
        if (PyDict_DelItemString(env, left_out[i]) != 0)
            Py_CLEAR(env);
    if (env && PyDict_SetItem(env, st->s_errors, r->errors) != 0)
        Py_CLEAR(env);
    return env;
}

static PyObject *call_function(gwp_request *r)
{
    const gowsgi_hook *hook = r->hook;
    PyObject *args[1 + GOWSGI_HOOK_ARGS], *result = NULL;
    size_t n = 0;

    args[n++] = new_environ(r);
    for (size_t i = 0; args[n - 1] && i < hook->arg_count; i++)
        args[n++] = PyUnicode_DecodeLatin1(hook->args[i].data, (Py_ssize_t)hook->args[i].len, NULL);
    if (args[n - 1])
        result = PyObject_Vectorcall(r->loaded->callable, args, n, NULL);
    while (n > 0) {
        n--;
        Py_XDECREF(args[n]);
    }
    return result;
}

static gowsgi_answer call(gwp_request *r)
{
    gowsgi_answer answer;
    PyObject *result;

    r->errors = gwp_log_new(r->interp->state, r);
    result = r->errors ? call_function(r) : NULL;
    answer = result ? take_answer(r, result) : fail(r);
    Py_XDECREF(result);
    if (gwp_forked)
        gwp_exit_forked_child(r);
    if (r->errors)
        gwp_log_detach(r->errors);
    Py_CLEAR(r->errors);
    return answer;
}

static gowsgi_answer find_and_call(gwp_request *r)
{
    const PyObject *function = r->loaded->callable;

    if (function == Py_None && r->hook->flags & GOWSGI_HOOK_OPTIONAL)
        return GOWSGI_ANSWER_ABSENT;
    if (function != Py_None && PyCallable_Check(r->loaded->callable))
        return call(r);
    say(r, "GWSGI1204", function == Py_None ? "is not defined in the script" : "is not a function but something else");
    return GOWSGI_ANSWER_FAILED;
}

static gowsgi_answer ask(gwp_request *r)
{
    gowsgi_answer answer;
    int status = gwp_find_application(r);

    if (status)
        return GOWSGI_ANSWER_FAILED;
    if (gwp_enter_in_turn(r->interp) != 0) {
        say(r, "GWSGI1207", "cannot run: no memory for a Python thread state");
        return GOWSGI_ANSWER_FAILED; /* the hold on the script is lost with the process's memory */
    }
    answer = find_and_call(r);
    gwp_log_flush_thread(r->thread);
    gwp_table_release(r->loaded);
    gwp_leave();
    gwp_leave_application(r);
    return answer;
}

gowsgi_answer gowsgi_hook_call(gowsgi_hook *hook)
{
    gowsgi_request abi = {.size = sizeof abi,
                          .host = hook->host,
                          .host_ctx = hook->host_ctx,
                          .script = hook->script,
                          .app_group = hook->app_group,
                          .callable = hook->function,
                          .script_mtime = hook->script_mtime,
                          .flags = hook->flags & GOWSGI_HOOK_RELOAD ? GOWSGI_REQ_RELOAD : 0};
    gwp_request r = {.abi = &abi, .hook = hook, .thread = gwp_thread_here(), .owner = pthread_self()};
    gwp_request *around = r.thread->current; /* an application whose response has a subrequest in it */
    gowsgi_answer answer;

    gwp_log_flush_thread(r.thread);
    r.thread->current = &r;
    answer = ask(&r);
    r.thread->current = around;
    return answer;
}
