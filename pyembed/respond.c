/* This file calls the application and sends what it returns (PEP 3333). It is the straight road of a warm request: no Go, and as
 * few turns of the GIL as the response allows. */
#include "gw_py.h"

#include <string.h>

/* A list whose items add up to no more is copied and sent after the GIL was given back for good. */
#define SMALL_BODY 16384

void gwp_failure_take(gwp_request *r, gwp_phase phase)
{
    gwp_failure *f;

    if (r->failure_count == GWP_MAX_FAILURES) {
        PyErr_Clear();
        return;
    }
    f = &r->failures[r->failure_count++];
    f->phase = phase;
    PyErr_Fetch(&f->type, &f->value, &f->traceback);
}

static int has_no_content(const gwp_request *r)
{
    return r->status == 204 || r->status == 304;
}

/* Whether the response has no body whatever its headers say (RFC 9110, 6.4.1). */
static int is_bodiless(const gwp_request *r)
{
    return r->abi->flags & GOWSGI_REQ_HEAD || has_no_content(r);
}

/* Says, once, that bytes of the body are lost because the application stated less of them. Without the GIL. */
static void say_surplus(gwp_request *r)
{
    char line[6144];

    if (r->may_exceed || is_bodiless(r))
        return;
    r->may_exceed = 1;
    snprintf(line, sizeof line, "WSGI script '%s' (process group '%s', application group '%s') answered with more than the %lld bytes that "
             "its Content-Length states; the rest is not sent. Mend the number, or leave it out", r->abi->script.data,
             gwp_process.process_group, r->abi->app_group.data, (long long)r->content_length);
    gwp_log_line(r, GOWSGI_LOG_INFO, line, strlen(line));
}

static int send_head(gwp_request *r)
{
    gowsgi_span line = {r->status_line, strlen(r->status_line)};
    gowsgi_span headers = {r->thread->head.data, r->thread->head.len};

    r->began = r->head_sent = 1;
    r->refused = r->abi->host->head(r->abi->host_ctx, r->status, line, headers, r->content_length) != 0;
    return r->refused ? -1 : 0;
}

int gwp_send(gwp_request *r, gowsgi_span data, unsigned flags)
{
    int64_t left = r->content_length - r->sent;
    int rv = -1;

    if (r->gone || gwp_forked)
        return -1;
    if (r->content_length >= 0 && (int64_t)data.len > left)
        say_surplus(r);
    if (r->ended)
        return 0;
    if (r->content_length >= 0 && (int64_t)data.len >= left) {
        data.len = (size_t)left; /* what goes beyond the stated length would be taken for the next response */
        flags |= GOWSGI_WRITE_LAST;
    }
    if (r->input)
        gwp_input_lock(r->input);
    if (r->head_sent || send_head(r) == 0)
        rv = r->abi->host->write(r->abi->host_ctx, data, flags);
    if (r->input)
        gwp_input_unlock(r->input);
    r->sent += (int64_t)data.len;
    r->ended = (flags & GOWSGI_WRITE_LAST) != 0;
    r->gone = rv != 0;
    return rv;
}

static int head_is_stated(gwp_request *r, gwp_phase phase)
{
    if (r->status)
        return 1;
    PyErr_SetString(PyExc_AssertionError, "the application returned a response without having called start_response()");
    gwp_failure_take(r, phase);
    return 0;
}

static void fail_too_short(gwp_request *r, int64_t total)
{
    PyErr_Format(PyExc_AssertionError, "the response has %lld of the %lld bytes that its Content-Length states",
                 (long long)total, (long long)r->content_length);
    gwp_failure_take(r, GWP_PHASE_ITERATE);
}

/* What is known of the length when the whole body is known. A HEAD request's empty body says nothing of it, nor does any body of a
 * status that has none. */
static void state_length(gwp_request *r, size_t total)
{
    if (r->content_length < 0 && !r->began && !has_no_content(r) && !(is_bodiless(r) && total == 0))
        r->content_length = (int64_t)total;
}

/* The sum of a list's or tuple's items, if all are bytes; -1 if not. */
static Py_ssize_t body_size(PyObject *list)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list), total = 0;
    PyObject **items = PySequence_Fast_ITEMS(list);

    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyBytes_Check(items[i]) || total > PY_SSIZE_T_MAX - PyBytes_GET_SIZE(items[i]))
            return -1;
        total += PyBytes_GET_SIZE(items[i]);
    }
    return total;
}

/* Copies a small body to the thread's buffer, to be sent when the GIL is gone. Returns 0 if it did. */
static int keep_small_body(gwp_request *r, PyObject *list, size_t total)
{
    gowsgi_buffer *body = &r->thread->body;
    PyObject **items = PySequence_Fast_ITEMS(list);

    body->len = 0;
    if (total > SMALL_BODY || gowsgi_buffer_reserve(body, total) != 0)
        return -1;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++)
        gowsgi_buffer_append(body, PyBytes_AS_STRING(items[i]), (size_t)PyBytes_GET_SIZE(items[i]));
    return 0;
}

/* Sends one item of the response with the GIL given up. Returns 0 to go on, 1 when nothing more is to be sent, -1 on an error. */
static int send_item(gwp_request *r, PyObject *item, unsigned flags)
{
    gowsgi_span data;
    int rv;

    if (!PyBytes_Check(item)) {
        PyErr_Format(PyExc_TypeError, "the response must consist of bytes, not %.200s", Py_TYPE(item)->tp_name);
        gwp_failure_take(r, GWP_PHASE_ITERATE);
        return -1;
    }
    data = (gowsgi_span){PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item)};
    if (data.len == 0 && !(flags & GOWSGI_WRITE_LAST))
        return 0; /* the head waits for the first byte (PEP 3333) */
    if (!head_is_stated(r, GWP_PHASE_ITERATE))
        return -1;
    r->began = 1;
    Py_BEGIN_ALLOW_THREADS
    rv = gwp_send(r, data, flags | GOWSGI_WRITE_FLUSH);
    Py_END_ALLOW_THREADS
    return rv != 0 || r->ended;
}

/* The end of a body whose length was not known before. */
static void send_end(gwp_request *r)
{
    gowsgi_span nothing = {"", 0};

    if (r->ended || r->gone || r->failure_count || !head_is_stated(r, GWP_PHASE_ITERATE))
        return;
    if (r->content_length > r->sent && !is_bodiless(r)) {
        fail_too_short(r, r->sent);
        return;
    }
    state_length(r, 0);
    r->began = 1;
    Py_BEGIN_ALLOW_THREADS
    gwp_send(r, nothing, GOWSGI_WRITE_LAST);
    Py_END_ALLOW_THREADS
}

static void send_iterable(gwp_request *r, PyObject *result)
{
    PyObject *it = PyObject_GetIter(result), *item;
    int stop = 0;

    if (!it) {
        gwp_failure_take(r, GWP_PHASE_ITERATE);
        return;
    }
    while (!stop && (item = PyIter_Next(it)) != NULL) {
        stop = send_item(r, item, 0);
        Py_DECREF(item);
    }
    if (PyErr_Occurred())
        gwp_failure_take(r, GWP_PHASE_ITERATE);
    Py_DECREF(it);
    if (gwp_forked)
        gwp_exit_forked_child(r);
    send_end(r);
}

/* A list or tuple of one large bytes object is sent from where it is. */
static void send_single(gwp_request *r, PyObject *list)
{
    PyObject *item = PySequence_Fast_GET_ITEM(list, 0);

    Py_INCREF(item);
    send_item(r, item, GOWSGI_WRITE_LAST);
    Py_DECREF(item);
    send_end(r);
}

static int send_file(gwp_request *r, PyObject *result)
{
    int64_t offset, length;
    int fd, rv = -1;

    if (r->began || !r->status || !gwp_file_wrapper_open(r->interp->state, result, &fd, &offset, &length))
        return 0;
    if (r->content_length > length)
        return 0; /* iterating finds out what is there, and says that it is too short */
    if (r->content_length < 0)
        r->content_length = length;
    r->began = 1;
    Py_BEGIN_ALLOW_THREADS
    gwp_input_lock(r->input);
    if (send_head(r) == 0)
        rv = r->abi->host->file(r->abi->host_ctx, fd, offset, r->content_length);
    gwp_input_unlock(r->input);
    Py_END_ALLOW_THREADS
    r->ended = 1;
    r->gone = rv != 0;
    return 1;
}

/* Sends the result, or keeps it in the thread's buffer: returns 1 then. */
static int send_result(gwp_request *r, PyObject *result)
{
    Py_ssize_t total;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        total = body_size(result);
        if (total >= 0 && r->status) {
            state_length(r, (size_t)total);
            if (r->content_length > r->sent + total && !is_bodiless(r)) {
                fail_too_short(r, r->sent + total);
                return 0;
            }
            if (keep_small_body(r, result, (size_t)total) == 0)
                return 1;
            if (PySequence_Fast_GET_SIZE(result) == 1) {
                send_single(r, result);
                return 0;
            }
        }
    } else if (send_file(r, result)) {
        return 0;
    }
    if (Py_TYPE(result) == r->interp->state->file_wrapper_type)
        r->may_exceed = 1; /* it is used to send a part of something (PEP 3333) */
    send_iterable(r, result);
    return 0;
}

/* PEP 3333: if the iterable has a close() it is called, whatever happened. */
static void call_close(gwp_request *r, PyObject *result)
{
    PyObject *close, *closed;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return;
    close = PyObject_GetAttr(result, r->interp->state->s_close);
    if (!close && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return;
    }
    closed = close ? PyObject_CallObject(close, NULL) : NULL;
    if (!closed)
        gwp_failure_take(r, GWP_PHASE_CLOSE);
    Py_XDECREF(closed);
    Py_XDECREF(close);
}

/* Cuts off what the application may keep: after this no object leads to the request. */
static void detach(gwp_request *r)
{
    if (r->input)
        gwp_input_detach(r->input);
    if (r->errors)
        gwp_log_detach(r->errors);
    if (r->start)
        gwp_start_response_detach(r->start);
    gwp_log_flush_thread(r->thread);
    Py_CLEAR(r->input);
    Py_CLEAR(r->errors);
    Py_CLEAR(r->start);
    gwp_table_release(r->loaded);
    r->loaded = NULL;
}

static PyObject *call_application(gwp_request *r)
{
    gwp_state *st = r->interp->state;
    PyObject *env = NULL, *result = NULL, *args[2];
    gwp_phase phase = GWP_PHASE_SERVER;

    r->input = gwp_input_new(st, r);
    r->errors = gwp_log_new(st, r);
    r->start = gwp_start_response_new(st, r);
    if (r->input && r->errors && r->start)
        env = gwp_environ_new(st, r->abi, r->thread->id, r->input, r->errors);
    if (env) {
        args[0] = env;
        args[1] = r->start;
        phase = GWP_PHASE_CALL;
        result = PyObject_Vectorcall(r->loaded->callable, args, 2, NULL);
    }
    if (!result)
        gwp_failure_take(r, phase);
    Py_XDECREF(env);
    return result;
}

void gwp_respond(gwp_request *r)
{
    PyObject *result = call_application(r);
    int kept = 0;

    if (gwp_forked)
        gwp_exit_forked_child(r);
    if (result) {
        kept = send_result(r, result);
        call_close(r, result);
        Py_DECREF(result);
    }
    if (gwp_forked)
        gwp_exit_forked_child(r);
    detach(r);
    gwp_leave();
    if (kept) { /* one turn of the GIL was all: the application is done, its body is in the thread's buffer */
        gowsgi_span body = {r->thread->body.data ? r->thread->body.data : "", r->thread->body.len};
        gwp_send(r, body, r->failure_count ? GOWSGI_WRITE_LAST : GOWSGI_WRITE_LAST | GOWSGI_WRITE_FINAL);
    }
}
