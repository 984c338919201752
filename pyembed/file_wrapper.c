/* This file recognises a wsgi.file_wrapper around a real file, so that the server can send the file itself (PEP 3333, "Optional
 * Platform-Specific File Handling"). The class is Python's, in setup.py; any other use of it is plain iteration. */
#include "gw_py.h"

#include <sys/stat.h>

/* Asks setup.py's file_place() for descriptor and position. Returns 0, or -1 when it is no file of ours to send. */
static int file_place(gwp_state *st, PyObject *result, int *fd, int64_t *offset)
{
    PyObject *file = PyObject_GetAttrString(result, "filelike");
    PyObject *place = file ? PyObject_CallFunctionObjArgs(st->file_place, file, NULL) : NULL;
    long long at = -1;

    if (place && PyTuple_Check(place) && !PyArg_ParseTuple(place, "iL", fd, &at))
        at = -1;
    *offset = at;
    Py_XDECREF(place);
    Py_XDECREF(file);
    PyErr_Clear(); /* what is wrong with it shows when it is read */
    return at < 0 ? -1 : 0;
}

int gwp_file_wrapper_open(gwp_state *st, PyObject *result, int *fd, int64_t *offset, int64_t *length)
{
    struct stat info;

    if (Py_TYPE(result) != st->file_wrapper_type || file_place(st, result, fd, offset) != 0 ||
        fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode))
        return 0;
    *length = info.st_size > *offset ? info.st_size - *offset : 0;
    return 1;
}
