// This file lets Go expand %{…} as the Apache side does, through the same C.

package directives

/*
#include <stdlib.h>
#include <string.h>
#include "expand.h"

// The variables of a test: name, value, name, value, ... each ended by NUL; an empty name ends the list.
static const char *find_variable(void *list, const char *name)
{
	for (const char *s = list; *s; ) {
		const char *value = s + strlen(s) + 1;
		if (strcmp(s, name) == 0)
			return value;
		s = value + strlen(value) + 1;
	}
	return NULL;
}

static gw_expand_status expand(const char *text, gw_expand_source *source, char *variables, char *buf, size_t cap,
                               gw_expansion *out)
{
	source->env = find_variable;
	source->env_ctx = variables;
	return gw_expand(text, source, buf, cap, out);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// What Expand cannot do.
var (
	ErrUndefined = errors.New("undefined variable")
	ErrInvalid   = errors.New("not a variable")
	ErrTooLong   = errors.New("too long")
)

// ExpandBuffer is the room that the Apache side has for an expanded name.
const ExpandBuffer = C.GW_EXPAND_BUFFER

// Source is what a request offers to templates.
type Source struct {
	ServerName string
	Port       uint
	ScriptName string
	IgnoreCase bool
	Env        map[string]string
}

// Expand expands a template in a buffer of size bytes. Neither the template nor what the source offers may have NUL bytes in it.
func Expand(template string, source Source, size int) (string, error) {
	var strs []*C.char
	str := func(s string) *C.char {
		c := C.CString(s)
		strs = append(strs, c)
		return c
	}
	defer func() {
		for _, c := range strs {
			C.free(unsafe.Pointer(c))
		}
	}()
	var variables strings.Builder
	for name, value := range source.Env {
		variables.WriteString(name + "\x00" + value + "\x00")
	}
	from := C.gw_expand_source{
		server_name: str(source.ServerName),
		port:        C.uint(source.Port),
		script_name: str(source.ScriptName),
	}
	if source.IgnoreCase {
		from.ignore_case = 1
	}
	buf := (*C.char)(C.malloc(C.size_t(size) + 1))
	strs = append(strs, buf)
	var out C.gw_expansion
	status := C.expand(str(template), &from, str(variables.String()), buf, C.size_t(size), &out)
	return result(status, C.GoStringN(out.text, C.int(out.len)))
}

func result(status C.gw_expand_status, text string) (string, error) {
	switch status {
	case C.GW_EXPAND_OK:
		return text, nil
	case C.GW_EXPAND_UNDEFINED:
		return "", fmt.Errorf("%w: %s", ErrUndefined, text)
	case C.GW_EXPAND_INVALID:
		return "", fmt.Errorf("%w: %s", ErrInvalid, text)
	default:
		return "", fmt.Errorf("%w: %s", ErrTooLong, text)
	}
}
