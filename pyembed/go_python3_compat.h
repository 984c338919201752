/* This file lets github.com/DataDog/go-python3, which was written for Python 3.7, compile against later versions. The Makefile
 * gives it to cgo with -include, which reaches every cgo package, so it includes nothing. The functions below were gone from CPython
 * by 3.9, the oldest we build for; the binding wraps them and nobody here calls the
 * wrappers, so each is what CPython's own documentation says of it: there is nothing to free, nothing to do.
 */
#ifndef GOWSGI_GO_PYTHON3_COMPAT_H
#define GOWSGI_GO_PYTHON3_COMPAT_H
#ifndef __ASSEMBLER__

static inline int PyDict_ClearFreeList(void) { return 0; }
static inline int PyFloat_ClearFreeList(void) { return 0; }
static inline int PyList_ClearFreeList(void) { return 0; }
static inline int PyTuple_ClearFreeList(void) { return 0; }
static inline int PySet_ClearFreeList(void) { return 0; }
static inline int PyUnicode_ClearFreeList(void) { return 0; }
static inline int PyCFunction_ClearFreeList(void) { return 0; }
static inline void PyEval_ReInitThreads(void) {}

/* Until 3.12 CPython has these and declares them just so; after that they are in go_python3_compat.c. */
extern void Py_SetPath(const __WCHAR_TYPE__ *);
extern int Py_SetStandardStreamEncoding(const char *, const char *);
extern void PySys_AddWarnOption(const __WCHAR_TYPE__ *);
extern void PySys_AddXOption(const __WCHAR_TYPE__ *);
extern void PySys_SetPath(const __WCHAR_TYPE__ *);
extern int PyEval_ThreadsInitialized(void);

/* Until 3.14 CPython declares these just so; the library of 3.15 still has them. */
extern __WCHAR_TYPE__ *Py_GetExecPrefix(void);
extern __WCHAR_TYPE__ *Py_GetPath(void);
extern __WCHAR_TYPE__ *Py_GetPrefix(void);
extern __WCHAR_TYPE__ *Py_GetProgramFullPath(void);
extern __WCHAR_TYPE__ *Py_GetProgramName(void);
extern __WCHAR_TYPE__ *Py_GetPythonHome(void);
extern void PySys_ResetWarnOptions(void);

#endif
#endif
