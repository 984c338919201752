/* This file defines the one function that go-python3 wraps, CPython's headers declare and libpython does not have. Nobody here calls it;
 * it does what CPython's documentation says, so that the library has no unresolved symbol. */
#include "gw_py.h"

/* Sets the descriptor that is written to when a signal arrives; returns the one before. With the GIL. */
int PySignal_SetWakeupFd(int fd)
{
    PyObject *signal = PyImport_ImportModule("signal");
    PyObject *before = signal ? PyObject_CallMethod(signal, "set_wakeup_fd", "i", fd) : NULL;
    int old = before ? (int)PyLong_AsLong(before) : -1;

    Py_XDECREF(before);
    Py_XDECREF(signal);
    return old;
}
