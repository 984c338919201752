// This file tells the host what this library was built as, and puts the addresses of Go's exports into C's hands.

package main

/*
#cgo CFLAGS: -I${SRCDIR}/../c -I${SRCDIR}/../directives
#include "gowsgi_abi.h"

typedef int (*junction_fn)(int junction, void *request);
extern int gowsgi_go_junction(int junction, void *request);
static inline void *junction_address(void)
{
    junction_fn fn = gowsgi_go_junction;
    return (void *)(uintptr_t)fn;
}
*/
import "C"

import "unsafe"

func junctionAddress() unsafe.Pointer {
	return C.junction_address()
}
