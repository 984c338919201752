/* This file is start_response() (PEP 3333): it checks what the application states of its response, so that nothing it says can split
 * or corrupt the response, and keeps it, packed, for the moment of sending. */
#include "gw_py.h"

#include "gowsgi_packed.h"

#include <string.h>
#include <strings.h>

typedef struct start_object {
    PyObject_HEAD
    gwp_request *request;         /* NULL after the request */
} start_object;

/* The bytes of a str whose characters all are latin-1, as PEP 3333 wants them ("native strings"); NULL and a TypeError or ValueError
 * otherwise. Borrowed from str. */
static const char *latin1(PyObject *str, const char *what, size_t *len)
{
    if (!PyUnicode_Check(str)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.200s", what, Py_TYPE(str)->tp_name);
        return NULL;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(str) != 0)
        return NULL;
#endif
    if (PyUnicode_KIND(str) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError, "%s has a character that is not latin-1: %A", what, str);
        return NULL;
    }
    *len = (size_t)PyUnicode_GET_LENGTH(str);
    return (const char *)PyUnicode_1BYTE_DATA(str);
}

static int is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* RFC 9110, 5.6.2: the characters of a token. */
static int is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int parse_status(gwp_request *r, PyObject *status)
{
    size_t len;
    const char *s = latin1(status, "start_response() argument 1 (status)", &len);

    if (!s)
        return -1;
    if (len < 3 || s[0] < '2' || s[0] > '9' || s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9' ||
        (len > 3 && s[3] != ' ')) {
        PyErr_Format(PyExc_ValueError,
                     "status must be three digits from 200 to 999, a space and a reason phrase, not %R", status);
        return -1;
    }
    for (size_t i = 3; i < len; i++)
        if (is_control((unsigned char)s[i])) {
            PyErr_Format(PyExc_ValueError, "control character in status: %R", status);
            return -1;
        }
    if (len >= sizeof r->status_line) {
        PyErr_Format(PyExc_ValueError, "status is longer than %zu bytes", sizeof r->status_line - 1);
        return -1;
    }
    memcpy(r->status_line, s, len);
    r->status_line[len] = '\0';
    r->status = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
    return 0;
}

static int same_name(const char *name, size_t len, const char *other)
{
    return strlen(other) == len && !strncasecmp(name, other, len);
}

/* PEP 3333, "Other HTTP Features": hop-by-hop headers are the server's. `Connection: close` is left to httpd, which acts on it. */
static int is_hop_by_hop(const char *name, size_t len)
{
    static const char *const names[] = {"Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
                                        "Trailers", "Transfer-Encoding", "Upgrade"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same_name(name, len, names[i]))
            return 1;
    return 0;
}

static int check_name(PyObject *str, const char *name, size_t len)
{
    if (len == 0) {
        PyErr_SetString(PyExc_ValueError, "header name is empty");
        return -1;
    }
    for (size_t i = 0; i < len; i++)
        if (!is_token_char((unsigned char)name[i])) {
            PyErr_Format(PyExc_ValueError, "character that is not allowed in header name: %R", str);
            return -1;
        }
    if (is_hop_by_hop(name, len)) {
        PyErr_Format(PyExc_ValueError, "hop-by-hop header %R is the server's to set (PEP 3333)", str);
        return -1;
    }
    return 0;
}

static int check_value(PyObject *name, PyObject *str, const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (is_control((unsigned char)value[i])) {
            PyErr_Format(PyExc_ValueError, "control character in value of header %R: %R", name, str);
            return -1;
        }
    return 0;
}

static int parse_content_length(gwp_request *r, PyObject *str, const char *value, size_t len)
{
    int64_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9' || n > (INT64_MAX - 9) / 10) {
            len = 0;
            break;
        }
        n = n * 10 + (value[i] - '0');
    }
    if (len == 0) {
        PyErr_Format(PyExc_ValueError, "Content-Length is not a number of bytes: %R", str);
        return -1;
    }
    if (r->content_length >= 0 && r->content_length != n) {
        PyErr_SetString(PyExc_ValueError, "Content-Length is given twice, with different numbers");
        return -1;
    }
    r->content_length = n;
    return 0;
}

static int pack_header(gwp_request *r, PyObject *item)
{
    gowsgi_buffer *head = &r->thread->head;
    gowsgi_span name, value;
    PyObject *n, *v;

    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_TypeError, "each header must be a tuple of name and value, not %R", item);
        return -1;
    }
    n = PyTuple_GET_ITEM(item, 0);
    v = PyTuple_GET_ITEM(item, 1);
    name.data = latin1(n, "header name", &name.len);
    if (!name.data || check_name(n, name.data, name.len) != 0)
        return -1;
    value.data = latin1(v, "header value", &value.len);
    if (!value.data || check_value(n, v, value.data, value.len) != 0)
        return -1;
    if (same_name(name.data, name.len, "Content-Length"))
        return parse_content_length(r, v, value.data, value.len);
    if (gowsgi_buffer_reserve(head, GOWSGI_PACKED_PAIR_OVERHEAD + name.len + value.len) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    head->len = (size_t)(gowsgi_packed_put(head->data + head->len, name, value) - head->data);
    return 0;
}

/* Replaces what was stated before. After an error nothing is stated. */
static int state_head(gwp_request *r, PyObject *status, PyObject *headers)
{
    r->thread->head.len = 0;
    r->content_length = -1;
    r->status = 0;
    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "start_response() argument 2 (headers) must be list, not %.200s",
                     Py_TYPE(headers)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++)
        if (pack_header(r, PyList_GET_ITEM(headers, i)) != 0)
            return -1;
    return parse_status(r, status);
}

/* PEP 3333: with exc_info after the head was sent, raise it again; without exc_info a second call is an error. */
static int check_again(gwp_request *r, PyObject *exc_info)
{
    if (exc_info == Py_None) {
        if (r->status) {
            PyErr_SetString(PyExc_AssertionError, "start_response() was called twice, the second time without exc_info");
            return -1;
        }
        return 0;
    }
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "start_response() argument exc_info must be a tuple of three or None");
        return -1;
    }
    if (r->began) {
        PyObject *type = PyTuple_GET_ITEM(exc_info, 0), *value = PyTuple_GET_ITEM(exc_info, 1),
                 *traceback = PyTuple_GET_ITEM(exc_info, 2);
        Py_INCREF(type);
        Py_INCREF(value);
        Py_INCREF(traceback);
        if (traceback == Py_None)
            Py_CLEAR(traceback);
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    return 0;
}

static PyObject *not_bytes(PyObject *data)
{
    PyErr_Format(PyExc_TypeError, "write() argument must be bytes, not %.200s", Py_TYPE(data)->tp_name);
    return NULL;
}

/* write(bytes): PEP 3333's way out for applications that were written for a stream. Sends at once. */
static PyObject *start_write(PyObject *op, PyObject *data)
{
    gwp_request *r = ((start_object *)op)->request;
    gowsgi_span span;
    int rv;

    if (!r || !pthread_equal(r->owner, pthread_self())) {
        PyErr_SetString(PyExc_RuntimeError, r ? "write() was called on another thread than its request's"
                                              : "write() was called after its request had ended");
        return NULL;
    }
    if (!PyBytes_Check(data))
        return not_bytes(data);
    if (!r->status) {
        PyErr_SetString(PyExc_AssertionError, "write() was called after a start_response() that failed");
        return NULL;
    }
    r->began = 1;
    span = (gowsgi_span){PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)};
    Py_BEGIN_ALLOW_THREADS
    rv = gwp_send(r, span, GOWSGI_WRITE_FLUSH);
    Py_END_ALLOW_THREADS
    if (rv != 0) {
        PyErr_SetString(PyExc_OSError, "the client closed the connection before the response was complete");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef start_methods[] = {{"write", start_write, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static PyObject *start_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"status", "headers", "exc_info", NULL};
    gwp_request *r = ((start_object *)op)->request;
    PyObject *status, *headers, *exc_info = Py_None;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:start_response", names, &status, &headers, &exc_info))
        return NULL;
    if (!r) {
        PyErr_SetString(PyExc_RuntimeError, "start_response() was called after its request had ended");
        return NULL;
    }
    if (check_again(r, exc_info) != 0 || state_head(r, status, headers) != 0)
        return NULL;
    return PyCFunction_New(&start_methods[0], op);
}

static void start_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot start_slots[] = {{Py_tp_dealloc, start_dealloc},
                                    {Py_tp_call, start_call},
                                    {Py_tp_doc, "start_response(status, headers, exc_info=None)"},
                                    {0, NULL}};

PyType_Spec gwp_start_response_spec = {.name = "mod_wsgi.StartResponse",
                                       .basicsize = sizeof(start_object),
                                       .flags = Py_TPFLAGS_DEFAULT,
                                       .slots = start_slots};

PyObject *gwp_start_response_new(gwp_state *st, gwp_request *r)
{
    start_object *self = PyObject_New(start_object, st->start_response_type);

    if (self)
        self->request = r;
    return (PyObject *)self;
}

void gwp_start_response_detach(PyObject *op)
{
    ((start_object *)op)->request = NULL;
}
