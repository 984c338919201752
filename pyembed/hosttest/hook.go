// This file asks functions of scripts, as the server does for access control.

package hosttest

/*
#include <stdlib.h>
#include "fake.h"
#include "gowsgi_packed.h"

extern __attribute__((weak)) gowsgi_answer gowsgi_hook_call(gowsgi_hook *hook);

static void *ask_room_kept;

static char *ask_room(void *ctx, size_t len)
{
    (void)ctx;
    return ask_room_kept = malloc(len);
}

static void ask_log(void *ctx, int level, gowsgi_span line)
{
    (void)ctx;
    ht_process_log(level, line);
}

// What was asked for in the answer, and its memory, which the caller frees.
static int ask(gowsgi_hook *hook, void **memory)
{
    static const gowsgi_host host = {.size = sizeof host, .log = ask_log};
    int answer;

    ask_room_kept = NULL;
    hook->size = sizeof *hook;
    hook->host = &host;
    hook->room = ask_room;
    answer = gowsgi_hook_call(hook);
    *memory = ask_room_kept;
    return answer;
}
*/
import "C"

import (
	"sort"
	"strings"
	"unsafe"
)

// The numbers of gowsgi_abi.h that tests name.
const (
	HookNone     = C.GOWSGI_HOOK_NONE
	HookBool     = C.GOWSGI_HOOK_BOOL
	HookStr      = C.GOWSGI_HOOK_STR
	HookBytes    = C.GOWSGI_HOOK_BYTES
	HookList     = C.GOWSGI_HOOK_LIST
	HookOptional = C.GOWSGI_HOOK_OPTIONAL
	HookReload   = C.GOWSGI_HOOK_RELOAD
)

// Question is one to a script's function. Answers are "failed", "absent", "none", "false", "true", "text:…" or "list:…,…", sorted.
type Question struct {
	Script, Group, Function string
	Environ                 [][2]string
	Args                    []string
	Mtime                   int64
	Flags                   int
}

// Ask asks on the calling thread. Not for two threads at once.
func (q Question) Ask() string {
	var m memory
	defer m.free()
	h := (*C.gowsgi_hook)(C.calloc(1, C.sizeof_gowsgi_hook))
	m = append(m, unsafe.Pointer(h))
	h.environ, h.script, h.app_group = m.span(Pack(q.Environ)), m.span([]byte(q.Script)), m.span([]byte(q.Group))
	h.function, h.script_mtime, h.flags = m.span([]byte(q.Function)), C.int64_t(q.Mtime), C.uint(q.Flags)
	h.role, h.consequence = m.span([]byte("WSGITestScript")).data, m.span([]byte("the test goes on")).data
	for i, arg := range q.Args {
		h.args[i] = m.span([]byte(arg))
		h.arg_count++
	}
	var room unsafe.Pointer
	kind := C.ask(h, &room)
	text := C.GoBytes(unsafe.Pointer(h.answer.data), C.int(h.answer.len))
	C.free(room)
	switch kind {
	case C.GOWSGI_ANSWER_TEXT:
		return "text:" + string(text)
	case C.GOWSGI_ANSWER_LIST:
		var names []string
		for _, pair := range pairs(text) {
			names = append(names, pair[0])
		}
		sort.Strings(names)
		return "list:" + strings.Join(names, ",")
	}
	return map[C.int]string{C.GOWSGI_ANSWER_FAILED: "failed", C.GOWSGI_ANSWER_ABSENT: "absent", C.GOWSGI_ANSWER_NONE: "none",
		C.GOWSGI_ANSWER_FALSE: "false", C.GOWSGI_ANSWER_TRUE: "true"}[kind]
}
