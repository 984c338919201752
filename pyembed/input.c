/* This file is wsgi.input: the request's body as a file-like object (PEP 3333, "Input and Error Streams"), read from the
 * server as the application asks for it.
 *
 * A read gives up the GIL while it waits. The object may be handed to another thread: one thread reads at a time, and a
 * request does not end under a reader (the io mutex).
 */
#include "gw_py.h"

#include <string.h>

#define CHUNK 8192                /* what is asked for when a line is looked for */
#define FIRST_PIECE 65536         /* what read() without a size starts with */
#define READ_ENDED (-100)         /* beside GOWSGI_READ_*: there is no request any more */

typedef struct input_object {
    PyObject_HEAD
    pthread_mutex_t io;           /* held, without the GIL, around the host's functions */
    gwp_request *request;         /* NULL after the request; changed with GIL and io */
    int ended;                    /* the request ends: no further call of the host; GIL */
    int reading;                  /* a thread is in a read */
    int eof;
    char *buffer;                 /* read ahead by readline(): bytes [start, end) are the application's next */
    size_t start, end, cap;
} input_object;

static PyObject *read_error(ssize_t code)
{
    switch (code) {
    case READ_ENDED:
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input was used after its request had ended");
        break;
    case GOWSGI_READ_GONE:
        PyErr_SetString(PyExc_OSError, "the client closed the connection before its request body was complete");
        break;
    case GOWSGI_READ_TIMEOUT:
        PyErr_SetString(PyExc_TimeoutError, "the client sent no more of its request body in time");
        break;
    case GOWSGI_READ_TOO_LARGE:
        PyErr_SetString(PyExc_OSError, "the request body is larger than the server accepts (LimitRequestBody)");
        break;
    case GOWSGI_READ_MALFORMED:
        PyErr_SetString(PyExc_OSError, "the request body is not well-formed HTTP");
        break;
    default:
        PyErr_SetString(PyExc_OSError, "the request body could not be read");
    }
    return NULL;
}

/* Asks the host for up to cap bytes. Returns their number, 0 at the end, or -1 with a Python error set. */
static ssize_t host_read(input_object *self, char *buf, size_t cap)
{
    gwp_request *r;
    ssize_t n;

    if (self->eof)
        return 0;
    if (self->ended) {
        read_error(READ_ENDED);
        return -1;
    }
    if (gwp_forked) {
        PyErr_SetString(PyExc_OSError, "wsgi.input cannot be read in a forked child process");
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&self->io);
    r = self->request;
    n = !r ? READ_ENDED : r->read_failure ? r->read_failure : r->abi->host->read(r->abi->host_ctx, buf, cap);
    if (r && n < 0)
        r->read_failure = (int)n;
    pthread_mutex_unlock(&self->io);
    Py_END_ALLOW_THREADS
    if (n < 0) {
        read_error(n);
        return -1;
    }
    self->eof = n == 0;
    return n;
}

/* Starts an operation: one thread at a time, and only while the request lives. */
static int begin(input_object *self)
{
    if (self->ended) {
        read_error(READ_ENDED);
        return -1;
    }
    if (self->reading) {
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input is being read by another thread");
        return -1;
    }
    self->reading = 1;
    return 0;
}

static size_t buffered(const input_object *self)
{
    return self->end - self->start;
}

/* Takes up to n bytes of what was read ahead. */
static size_t take_buffered(input_object *self, char *to, size_t n)
{
    if (n > buffered(self))
        n = buffered(self);
    if (n)
        memcpy(to, self->buffer + self->start, n);
    self->start += n;
    return n;
}

/* Exactly size bytes unless the body ends before: read(size). */
static PyObject *read_sized(input_object *self, size_t size)
{
    PyObject *bytes;
    size_t have = 0, cap = size < FIRST_PIECE ? size : FIRST_PIECE;
    ssize_t n;

    if (cap < buffered(self))
        cap = buffered(self) < size ? buffered(self) : size;
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)cap);
    if (!bytes)
        return NULL;
    have = take_buffered(self, PyBytes_AS_STRING(bytes), cap);
    while (have < size) {
        if (have == cap) { /* a client that announces much and sends little costs little */
            cap = cap > size / 2 ? size : cap * 2;
            if (_PyBytes_Resize(&bytes, (Py_ssize_t)cap) != 0)
                return NULL;
        }
        n = host_read(self, PyBytes_AS_STRING(bytes) + have, cap - have);
        if (n < 0) {
            Py_DECREF(bytes);
            return NULL;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    if (have < cap && _PyBytes_Resize(&bytes, (Py_ssize_t)have) != 0)
        return NULL;
    return bytes;
}

/* Makes room for more behind what is buffered. */
static int make_room(input_object *self)
{
    size_t cap = self->cap ? self->cap : CHUNK;
    char *buffer;

    if (self->start > 0) {
        memmove(self->buffer, self->buffer + self->start, buffered(self));
        self->end -= self->start;
        self->start = 0;
    }
    while (cap - self->end < CHUNK / 2)
        cap *= 2;
    if (cap == self->cap)
        return 0;
    buffer = PyMem_Realloc(self->buffer, cap);
    if (!buffer) {
        PyErr_NoMemory();
        return -1;
    }
    self->buffer = buffer;
    self->cap = cap;
    return 0;
}

/* One line with its newline, or up to limit bytes of it. */
static PyObject *read_line(input_object *self, size_t limit)
{
    size_t searched = 0, n;
    const char *newline;
    PyObject *line;
    ssize_t got;

    for (;;) {
        newline = buffered(self) > searched
                      ? memchr(self->buffer + self->start + searched, '\n', buffered(self) - searched) : NULL;
        searched = buffered(self);
        if (newline || searched >= limit)
            break;
        if (make_room(self) != 0)
            return NULL;
        got = host_read(self, self->buffer + self->end, self->cap - self->end);
        if (got < 0)
            return NULL;
        if (got == 0)
            break;
        self->end += (size_t)got;
    }
    n = newline ? (size_t)(newline - (self->buffer + self->start)) + 1 : buffered(self);
    if (n > limit)
        n = limit;
    line = PyBytes_FromStringAndSize(self->buffer + self->start, (Py_ssize_t)n);
    if (line)
        self->start += n;
    return line;
}

/* The optional size argument: absent, None and negative numbers mean all. */
static int size_argument(PyObject *const *args, Py_ssize_t nargs, size_t *size)
{
    Py_ssize_t n;

    *size = PY_SSIZE_T_MAX;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "expected at most 1 argument, got %zd", nargs);
        return -1;
    }
    if (nargs == 0 || args[0] == Py_None)
        return 0;
    n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n >= 0)
        *size = (size_t)n;
    return 0;
}

static PyObject *input_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    input_object *self = (input_object *)op;
    PyObject *bytes;
    size_t size;

    if (size_argument(args, nargs, &size) != 0 || begin(self) != 0)
        return NULL;
    bytes = read_sized(self, size);
    self->reading = 0;
    return bytes;
}

static PyObject *input_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    input_object *self = (input_object *)op;
    PyObject *line;
    size_t limit;

    if (size_argument(args, nargs, &limit) != 0 || begin(self) != 0)
        return NULL;
    line = read_line(self, limit);
    self->reading = 0;
    return line;
}

static PyObject *input_next(PyObject *op)
{
    PyObject *line = input_readline(op, NULL, 0);

    if (line && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

/* All lines, or as many as reach hint bytes. A hint of 0 means all, as with Python's own files. */
static PyObject *input_readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *lines, *line;
    size_t hint, total = 0;

    if (size_argument(args, nargs, &hint) != 0)
        return NULL;
    lines = PyList_New(0);
    while (lines && (line = input_next(op)) != NULL) {
        total += (size_t)PyBytes_GET_SIZE(line);
        if (PyList_Append(lines, line) != 0)
            Py_CLEAR(lines);
        Py_DECREF(line);
        if (hint && total >= hint)
            break;
    }
    if (PyErr_Occurred())
        Py_CLEAR(lines);
    return lines;
}

static PyObject *input_close(PyObject *op, PyObject *unused)
{
    (void)op;
    (void)unused;
    Py_RETURN_NONE; /* the stream belongs to the server (PEP 3333) */
}

static void input_dealloc(PyObject *op)
{
    input_object *self = (input_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyMem_Free(self->buffer);
    pthread_mutex_destroy(&self->io);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef input_methods[] = {
    {"read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL, NULL},
    {"readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL, NULL},
    {"readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL, NULL},
    {"close", input_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyType_Slot input_slots[] = {{Py_tp_dealloc, input_dealloc},
                                    {Py_tp_methods, input_methods},
                                    {Py_tp_iter, PyObject_SelfIter},
                                    {Py_tp_iternext, input_next},
                                    {Py_tp_doc, "The body of a request."},
                                    {0, NULL}};

PyType_Spec gwp_input_spec = {.name = "mod_wsgi.Input",
                              .basicsize = sizeof(input_object),
                              .flags = Py_TPFLAGS_DEFAULT,
                              .slots = input_slots};

PyObject *gwp_input_new(gwp_state *st, gwp_request *r)
{
    input_object *self = PyObject_New(input_object, st->input_type);

    if (!self)
        return NULL;
    pthread_mutex_init(&self->io, NULL);
    self->request = r;
    self->ended = self->reading = self->eof = 0;
    self->buffer = NULL;
    self->start = self->end = self->cap = 0;
    return (PyObject *)self;
}

void gwp_input_lock(PyObject *op)
{
    pthread_mutex_lock(&((input_object *)op)->io);
}

void gwp_input_unlock(PyObject *op)
{
    pthread_mutex_unlock(&((input_object *)op)->io);
}

void gwp_input_detach(PyObject *op)
{
    input_object *self = (input_object *)op;

    self->ended = 1;
    if (pthread_mutex_trylock(&self->io) != 0) {
        Py_BEGIN_ALLOW_THREADS
        pthread_mutex_lock(&self->io);
        Py_END_ALLOW_THREADS
    }
    self->request = NULL;
    pthread_mutex_unlock(&self->io);
}
