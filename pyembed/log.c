/* This file is the text stream behind wsgi.errors and sys.stderr. Each line becomes one record of the server's error log. It is
 * C throughout: an application may use it after os.fork(), where Go and Apache are out of reach, and there it writes to
 * descriptor 2. */
#include "gw_py.h"

#include <string.h>
#include <structmember.h>
#include <unistd.h>

/* httpd cuts a record at 8192 bytes with its own prefix; longer lines are logged in pieces. */
#define MAX_RECORD 7168

typedef struct log_object {
    PyObject_HEAD
    gwp_request *request;         /* whose log it is; NULL after the request */
    int is_stderr;                /* follows the request that the calling thread serves */
    gowsgi_buffer line;              /* begun and not yet ended; a stderr keeps it per thread */
} log_object;

void gwp_log_line(gwp_request *r, int level, const char *data, size_t len)
{
    gowsgi_span line;

    if (gwp_forked) {
        while (len > 0) {
            ssize_t n = write(2, data, len);
            if (n <= 0)
                return;
            data += n;
            len -= (size_t)n;
        }
        if (write(2, "\n", 1) != 1)
            return;
        return;
    }
    do {
        line = (gowsgi_span){data, len > MAX_RECORD ? MAX_RECORD : len};
        if (r)
            r->abi->host->log(r->abi->host_ctx, level, line);
        else
            gwp_process.log(level, line);
        data += line.len;
        len -= line.len;
    } while (len > 0);
}

/* Logs the whole lines of data; keeps the rest in `begun`. */
static int write_lines(gwp_request *r, gowsgi_buffer *begun, const char *data, size_t len)
{
    const char *newline;

    while ((newline = memchr(data, '\n', len)) != NULL) {
        size_t n = (size_t)(newline - data);
        if (begun->len) {
            if (gowsgi_buffer_append(begun, data, n) != 0)
                return -1;
            gwp_log_line(r, GOWSGI_LOG_ERR, begun->data, begun->len);
            begun->len = 0;
        } else {
            gwp_log_line(r, GOWSGI_LOG_ERR, data, n);
        }
        data = newline + 1;
        len -= n + 1;
    }
    if (len && gowsgi_buffer_append(begun, data, len) != 0)
        return -1;
    while (begun->len >= MAX_RECORD) {
        gwp_log_line(r, GOWSGI_LOG_ERR, begun->data, MAX_RECORD);
        memmove(begun->data, begun->data + MAX_RECORD, begun->len - MAX_RECORD);
        begun->len -= MAX_RECORD;
    }
    return 0;
}

static void flush_line(gwp_request *r, gowsgi_buffer *begun)
{
    if (begun->len) {
        gwp_log_line(r, GOWSGI_LOG_ERR, begun->data, begun->len);
        begun->len = 0;
    }
}

/* Where the calling thread's writes to a stream go. */
static gwp_request *target(log_object *self, gowsgi_buffer **begun)
{
    gwp_thread *t;

    if (!self->is_stderr) {
        *begun = &self->line;
        return self->request;
    }
    t = gwp_thread_here();
    *begun = &t->stderr_line;
    return t->current;
}

static PyObject *write_text(log_object *self, PyObject *str)
{
    gowsgi_buffer *begun;
    gwp_request *r = target(self, &begun);
    Py_ssize_t len;
    const char *data = PyUnicode_AsUTF8AndSize(str, &len);
    PyObject *bytes = NULL;
    int rv;

    if (!data) { /* lone surrogates */
        PyErr_Clear();
        bytes = PyUnicode_AsEncodedString(str, "utf-8", "backslashreplace");
        if (!bytes)
            return NULL;
        data = PyBytes_AS_STRING(bytes);
        len = PyBytes_GET_SIZE(bytes);
    }
    rv = write_lines(r, begun, data, (size_t)len);
    Py_XDECREF(bytes);
    return rv == 0 ? PyLong_FromSsize_t(PyUnicode_GET_LENGTH(str)) : PyErr_NoMemory();
}

/* write(str): a text stream. Bytes are taken as well, for `.buffer` is the same object. */
static PyObject *log_write(PyObject *op, PyObject *arg)
{
    log_object *self = (log_object *)op;
    gowsgi_buffer *begun;
    gwp_request *r;
    Py_buffer view;
    int rv;

    if (PyUnicode_Check(arg))
        return write_text(self, arg);
    if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) != 0) {
        PyErr_Format(PyExc_TypeError, "write() argument must be str, not %.200s", Py_TYPE(arg)->tp_name);
        return NULL;
    }
    r = target(self, &begun);
    rv = write_lines(r, begun, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return rv == 0 ? PyLong_FromSsize_t(view.len) : PyErr_NoMemory();
}

static PyObject *log_writelines(PyObject *op, PyObject *lines)
{
    PyObject *it = PyObject_GetIter(lines), *line, *result;

    if (!it)
        return NULL;
    while ((line = PyIter_Next(it)) != NULL) {
        result = log_write(op, line);
        Py_DECREF(line);
        if (!result)
            break;
        Py_DECREF(result);
    }
    Py_DECREF(it);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *log_flush(PyObject *op, PyObject *unused)
{
    gowsgi_buffer *begun;
    gwp_request *r = target((log_object *)op, &begun);

    (void)unused;
    flush_line(r, begun);
    Py_RETURN_NONE;
}

/* sys.stderr has the descriptor of httpd's error log; faulthandler and subprocess ask for it. wsgi.errors has none. */
static PyObject *log_fileno(PyObject *op, PyObject *unused)
{
    PyObject *io, *error;

    (void)unused;
    if (((log_object *)op)->is_stderr)
        return PyLong_FromLong(2);
    io = PyImport_ImportModule("io");
    error = io ? PyObject_GetAttrString(io, "UnsupportedOperation") : NULL;
    if (error)
        PyErr_SetString(error, "wsgi.errors has no file descriptor; sys.stderr has");
    Py_XDECREF(error);
    Py_XDECREF(io);
    return NULL;
}

static PyObject *log_true(PyObject *op, PyObject *unused)
{
    (void)op;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *log_false(PyObject *op, PyObject *unused)
{
    (void)op;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *log_self(PyObject *op, void *closure)
{
    (void)closure;
    Py_INCREF(op);
    return op;
}

static PyObject *log_text(PyObject *op, void *closure)
{
    (void)op;
    return PyUnicode_FromString(closure);
}

static PyObject *log_name(PyObject *op, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(((log_object *)op)->is_stderr ? "<stderr>" : "<wsgi.errors>");
}

static PyObject *log_closed(PyObject *op, void *closure)
{
    (void)op;
    (void)closure;
    Py_RETURN_FALSE;
}

/* close() ends the line and nothing else: the stream belongs to the server. */
static PyMethodDef log_methods[] = {
    {"write", log_write, METH_O, NULL},          {"writelines", log_writelines, METH_O, NULL},
    {"flush", log_flush, METH_NOARGS, NULL},     {"close", log_flush, METH_NOARGS, NULL},
    {"fileno", log_fileno, METH_NOARGS, NULL},   {"isatty", log_false, METH_NOARGS, NULL},
    {"readable", log_false, METH_NOARGS, NULL},  {"seekable", log_false, METH_NOARGS, NULL},
    {"writable", log_true, METH_NOARGS, NULL},   {NULL, NULL, 0, NULL}};

static PyGetSetDef log_getset[] = {{"buffer", log_self, NULL, NULL, NULL},
                                   {"encoding", log_text, NULL, NULL, "utf-8"},
                                   {"errors", log_text, NULL, NULL, "backslashreplace"},
                                   {"mode", log_text, NULL, NULL, "w"},
                                   {"name", log_name, NULL, NULL, NULL},
                                   {"closed", log_closed, NULL, NULL, NULL},
                                   {NULL, NULL, NULL, NULL, NULL}};

static void log_dealloc(PyObject *op)
{
    log_object *self = (log_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    free(self->line.data);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot log_slots[] = {{Py_tp_dealloc, log_dealloc},
                                  {Py_tp_methods, log_methods},
                                  {Py_tp_getset, log_getset},
                                  {Py_tp_doc, "A text stream whose lines go to the server's error log."},
                                  {0, NULL}};

PyType_Spec gwp_log_spec = {.name = "mod_wsgi.Log",
                            .basicsize = sizeof(log_object),
                            .flags = Py_TPFLAGS_DEFAULT,
                            .slots = log_slots};

PyObject *gwp_log_new(gwp_state *st, gwp_request *r)
{
    log_object *self = PyObject_New(log_object, st->log_type);

    if (!self)
        return NULL;
    self->request = r;
    self->is_stderr = r == NULL;
    self->line = (gowsgi_buffer){NULL, 0, 0};
    return (PyObject *)self;
}

void gwp_log_detach(PyObject *op)
{
    log_object *self = (log_object *)op;

    flush_line(self->request, &self->line);
    self->request = NULL;
}

void gwp_log_flush_thread(gwp_thread *t)
{
    flush_line(t->current, &t->stderr_line);
}
