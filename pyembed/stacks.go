// This file tells where the threads of Python are.

package pyembed

/*
#include "gw_py.h"
*/
import "C"

import (
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoStacks says that this Python cannot show its stacks now.
var ErrNoStacks = errors.New("this version of Python cannot show them now")

// maxStacks bounds the text that is shown, in bytes.
const maxStacks = 1 << 20

var stacksTurn sync.Mutex // there is one text

// Stacks returns the Python stacks of all threads, a line a string. They are read with the GIL if that is to be had within patience, and
// otherwise without: then the process should end soon. So they are while Python starts. Any goroutine.
func Stacks(patience time.Duration) ([]string, error) {
	stacksTurn.Lock()
	defer stacksTurn.Unlock()
	if C.gwp_interp_latest() == nil {
		return stacksOfStart()
	}
	fd := C.gwp_stacks_begin()
	if fd < 0 {
		return nil, ErrNoStacks
	}
	end := time.Now().Add(patience)
	shown := false
	for in := C.gwp_interp_latest(); in != nil; in = in.next {
		shown = showStacks(in, time.Until(end)) || shown
	}
	if !shown {
		return nil, ErrNoStacks
	}
	return readStacks(int(fd))
}

// showStacks adds those of an interpreter. One that can be held does not end meanwhile; without patience nobody's locks are asked for.
func showStacks(in *C.gwp_interp, patience time.Duration) bool {
	if in.ended != 0 {
		return false
	}
	if patience < time.Millisecond {
		return C.gwp_stacks_show(in, 0) >= 0
	}
	if C.gwp_interp_hold(in) != 0 {
		return false // it is out of use
	}
	shown := C.gwp_stacks_show(in, C.long(patience.Milliseconds())) >= 0
	if C.gwp_interp_release(in) != 0 {
		endInterpreter(in)
	}
	return shown
}

func stacksOfStart() ([]string, error) {
	fd, err := unix.MemfdCreate("stacks", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if C.gwp_stacks_of_start(C.int(fd)) != 0 {
		return nil, ErrNoStacks
	}
	return readStacks(fd)
}

// readStacks leaves out threads that run no Python, such as those which wait for requests.
func readStacks(fd int) ([]string, error) {
	text := make([]byte, maxStacks)
	n, err := unix.Pread(fd, text, 0)
	if err != nil {
		return nil, err
	}
	return withoutIdle(strings.Split(strings.TrimRight(string(text[:n]), "\n"), "\n")), nil
}

// withoutIdle drops each thread that has a heading and no frame.
func withoutIdle(lines []string) []string {
	var kept []string
	for i, line := range lines {
		next := ""
		if i+1 < len(lines) {
			next = lines[i+1]
		}
		idle := strings.Contains(line, "<no Python frame>") || strings.Contains(next, "<no Python frame>")
		if !idle && line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}
