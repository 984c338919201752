/* This file defines the functions that go-python3 wraps and that are declared, by CPython's headers or ours, but are not in libpython, so
 * that the library has no unresolved symbol. Nobody here calls them. */
#include "gw_py.h"

#if PY_VERSION_HEX >= 0x030D0000
/* Most of these were for before Python's start and did nothing after it, which is where we are. */
void Py_SetPath(const wchar_t *path)
{
    (void)path;
}

void PySys_AddWarnOption(const wchar_t *option)
{
    (void)option;
}

void PySys_AddXOption(const wchar_t *option)
{
    (void)option;
}

void PySys_SetPath(const wchar_t *path)
{
    (void)path;
}

int Py_SetStandardStreamEncoding(const char *encoding, const char *errors)
{
    (void)encoding;
    (void)errors;
    return -1;
}

int PyEval_ThreadsInitialized(void)
{
    return 1;
}
#endif

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
