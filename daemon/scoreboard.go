// This file is Go's view of the scoreboard (c/gowsgi_scoreboard.h). Its memory is written by processes of several users: nothing
// read from it is trusted further than its use as a number.

package daemon

/*
#cgo CFLAGS: -I${SRCDIR}/../c
#include <stdlib.h>
#include "gowsgi_scoreboard.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrScoreboard says that what was to be the scoreboard is too small.
var ErrScoreboard = errors.New("the scoreboard is smaller than the configuration says")

// Scoreboard is the mapped memory.
type Scoreboard struct {
	memory  []byte
	groups  []GroupSlot
	workers []WorkerSlot
}

// ScoreboardSize is how many slots a scoreboard has. The memory does not say it: workers can write there.
type ScoreboardSize struct {
	Groups, Workers int
}

// GroupSlot is the place of a daemon process group.
type GroupSlot struct {
	c *C.gowsgi_group_slot
}

// WorkerSlot is the place of a worker process.
type WorkerSlot struct {
	c     *C.gowsgi_worker_slot
	index int
}

func (s ScoreboardSize) bytes() int {
	return int(C.gowsgi_scoreboard_size(C.uint32_t(s.Groups), C.uint32_t(s.Workers)))
}

// MapScoreboard maps the memfd fd, which may be closed afterwards.
func MapScoreboard(fd int, size ScoreboardSize) (*Scoreboard, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("scoreboard: %w", err)
	}
	if stat.Size < int64(size.bytes()) {
		return nil, ErrScoreboard
	}
	memory, err := unix.Mmap(fd, 0, size.bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("scoreboard: %w", err)
	}
	return viewScoreboard(memory, size), nil
}

// NewScoreboard makes one in memory of its own, for tests.
func NewScoreboard(size ScoreboardSize) (*Scoreboard, error) {
	memory, err := unix.Mmap(-1, 0, size.bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	return viewScoreboard(memory, size), nil
}

func viewScoreboard(memory []byte, size ScoreboardSize) *Scoreboard {
	board := &Scoreboard{memory: memory}
	base := unsafe.Pointer(&memory[0])
	for i := range size.Groups {
		board.groups = append(board.groups, GroupSlot{c: C.gowsgi_scoreboard_group(base, C.uint32_t(i))})
	}
	for i := range size.Workers {
		c := C.gowsgi_scoreboard_worker(base, C.uint32_t(size.Groups), C.uint32_t(i))
		board.workers = append(board.workers, WorkerSlot{c: c, index: i})
	}
	return board
}

// Close unmaps the memory; the slots cannot be used any more.
func (s *Scoreboard) Close() error {
	return unix.Munmap(s.memory)
}

// Groups is the number of groups.
func (s *Scoreboard) Groups() int {
	return len(s.groups)
}

// Workers is the number of worker slots, of all groups.
func (s *Scoreboard) Workers() int {
	return len(s.workers)
}

// Group returns the slot of a group.
func (s *Scoreboard) Group(index int) *GroupSlot {
	return &s.groups[index]
}

// Worker returns a worker slot, by its index among all groups' slots.
func (s *Scoreboard) Worker(index int) *WorkerSlot {
	return &s.workers[index]
}

// ---- Groups ----

// Pointer is the gowsgi_group_slot, for C.
func (g *GroupSlot) Pointer() unsafe.Pointer {
	return unsafe.Pointer(g.c)
}

// Changes is the futex's value.
func (g *GroupSlot) Changes() uint32 {
	return atomic.LoadUint32((*uint32)(&g.c.changes))
}

// Bump raises the futex and wakes all who wait on it: a worker became READY, or ended.
func (g *GroupSlot) Bump() {
	atomic.AddUint32((*uint32)(&g.c.changes), 1)
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&g.c.changes)), futexWake, uintptr(1<<31-1), 0, 0, 0)
}

const (
	futexWait = 0
	futexWake = 1
)

// Wait returns when Changes is not seen any more, or when the timeout has passed.
func (g *GroupSlot) Wait(seen uint32, timeout time.Duration) {
	for end := time.Now().Add(timeout); g.Changes() == seen; {
		rest := time.Until(end)
		if rest <= 0 {
			return
		}
		spec := unix.NsecToTimespec(int64(rest))
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&g.c.changes)), futexWait, uintptr(seen),
			uintptr(unsafe.Pointer(&spec)), 0, 0)
	}
}

// SetStopping says whether httpd stops, so that no worker will come any more.
func (g *GroupSlot) SetStopping(on bool) {
	value := uint32(0)
	if on {
		value = 1
	}
	atomic.StoreUint32((*uint32)(&g.c.stopping), value)
}

// AddRestart counts a process beyond the first ones.
func (g *GroupSlot) AddRestart() {
	atomic.AddUint32((*uint32)(&g.c.restarts), 1)
}

// Restarts is the number of processes started beyond the first ones.
func (g *GroupSlot) Restarts() uint32 {
	return atomic.LoadUint32((*uint32)(&g.c.restarts))
}

// ---- Workers ----

// Pointer is the gowsgi_worker_slot, for C.
func (w *WorkerSlot) Pointer() unsafe.Pointer {
	return unsafe.Pointer(w.c)
}

// Index is the slot's place among all groups' slots.
func (w *WorkerSlot) Index() int {
	return w.index
}

// State is what the worker is doing.
func (w *WorkerSlot) State() State {
	return State(atomic.LoadUint32((*uint32)(&w.c.state)))
}

// Transit changes the state when that is allowed from what it is now; it returns what it was, and whether it changed.
func (w *WorkerSlot) Transit(to State) (from State, changed bool) {
	for {
		from = w.State()
		if !from.allows(to) {
			return from, false
		}
		if atomic.CompareAndSwapUint32((*uint32)(&w.c.state), uint32(from), uint32(to)) {
			return from, true
		}
	}
}

// Reset makes the slot empty, whatever it was. It keeps the incarnation, so that no socket's name comes twice.
func (w *WorkerSlot) Reset() {
	atomic.StoreUint32((*uint32)(&w.c.state), uint32(Empty))
	atomic.StoreInt32((*int32)(&w.c.pid), 0)
}

// Begin fills the slot for a new process, whose pid comes when it is known. The state becomes STARTING.
func (w *WorkerSlot) Begin(incarnation uint32, threads int, now time.Time) bool {
	w.SetExitReason(ExitNone)
	atomic.StoreInt32((*int32)(&w.c.pid), 0)
	atomic.StoreUint32((*uint32)(&w.c.busy), 0)
	atomic.StoreUint32((*uint32)(&w.c.threads), uint32(threads))
	atomic.StoreUint64((*uint64)(&w.c.requests), 0)
	atomic.StoreUint64((*uint64)(&w.c.active), 0)
	atomic.StoreUint64((*uint64)(&w.c.started), uint64(now.UnixMicro()))
	atomic.StoreUint32((*uint32)(&w.c.incarnation), incarnation)
	_, changed := w.Transit(Starting)
	return changed
}

// SetPID says which process is in the slot.
func (w *WorkerSlot) SetPID(pid int) {
	atomic.StoreInt32((*int32)(&w.c.pid), int32(pid))
}

// PID is the process in the slot, or the last one that was.
func (w *WorkerSlot) PID() int {
	return int(atomic.LoadInt32((*int32)(&w.c.pid)))
}

// Incarnation is the number of the process in the slot.
func (w *WorkerSlot) Incarnation() uint32 {
	return atomic.LoadUint32((*uint32)(&w.c.incarnation))
}

// SetExit records how the process of that incarnation ended, as waitpid() tells it, and that it did so now.
func (w *WorkerSlot) SetExit(incarnation uint32, status int) {
	atomic.StoreInt32((*int32)(&w.c.exit_status), int32(status))
	atomic.StoreUint32((*uint32)(&w.c.exit_incarnation), incarnation)
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it fails for clocks that do not exist
	atomic.StoreUint64((*uint64)(&w.c.ended), uint64(now.Nano()/int64(time.Microsecond)))
}

// Exit is the last process that ended here, and how.
func (w *WorkerSlot) Exit() (incarnation uint32, status int) {
	incarnation = atomic.LoadUint32((*uint32)(&w.c.exit_incarnation))
	return incarnation, int(atomic.LoadInt32((*int32)(&w.c.exit_status)))
}

// SetExitReason says why the worker stops.
func (w *WorkerSlot) SetExitReason(reason ExitReason) {
	atomic.StoreUint32((*uint32)(&w.c.exit_reason), uint32(reason))
}

// ExitReason is why the worker stops or stopped.
func (w *WorkerSlot) ExitReason() ExitReason {
	return ExitReason(atomic.LoadUint32((*uint32)(&w.c.exit_reason)))
}

// Busy is how many of its threads serve a request.
func (w *WorkerSlot) Busy() int {
	return int(atomic.LoadUint32((*uint32)(&w.c.busy)))
}

// Requests is how many requests the process has served.
func (w *WorkerSlot) Requests() uint64 {
	return atomic.LoadUint64((*uint64)(&w.c.requests))
}

// Active is when a request came, read or wrote last, in microseconds of CLOCK_MONOTONIC.
func (w *WorkerSlot) Active() uint64 {
	return atomic.LoadUint64((*uint64)(&w.c.active))
}

// QueuePath is the name of the socket of a group's queue. ok is false when the prefix is too long for a socket's name.
func (c *Config) QueuePath(group int) (path string, ok bool) {
	var buffer [C.GOWSGI_SOCKET_PATH_MAX]C.char
	prefix := C.CString(c.SocketPrefix)
	defer C.free(unsafe.Pointer(prefix))
	n := C.gowsgi_queue_path(&buffer[0], prefix, C.int(c.ParentPID), C.int(c.Generation), C.uint32_t(group))
	return C.GoString(&buffer[0]), int(n) < len(buffer)
}

// SocketPath is the name of the socket of one worker process; slot is the index of its slot in the scoreboard. ok is false when the
// prefix is too long for a socket's name.
func (c *Config) SocketPath(group, slot int, incarnation uint32) (path string, ok bool) {
	var buffer [C.GOWSGI_SOCKET_PATH_MAX]C.char
	prefix := C.CString(c.SocketPrefix)
	defer C.free(unsafe.Pointer(prefix))
	n := C.gowsgi_socket_path(&buffer[0], prefix, C.int(c.ParentPID), C.int(c.Generation), C.uint32_t(group),
		C.uint32_t(slot), C.uint32_t(incarnation))
	return C.GoString(&buffer[0]), int(n) < len(buffer)
}
