// This file has the function of this package that C calls.

package hosttest

/*
#include <stdint.h>
*/
import "C"

import (
	"unsafe"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

//export hosttest_junction
func hosttest_junction(junction C.int, request unsafe.Pointer) C.int {
	return C.int(pyembed.Junction(int(junction), request))
}
