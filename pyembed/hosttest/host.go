// Package hosttest is for the tests of pyembed alone: it stands for the server, so that requests can be served without one. A Request
// is what the server would hand over, a Response is what it was told to do.
package hosttest

/*
#cgo pkg-config: python3-embed
#cgo CFLAGS: -I${SRCDIR}/../../c -Wall
#include <stdlib.h>
#include "fake.h"
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/mod-gowsgi/mod_gowsgi/pyembed"
)

// The numbers of gowsgi_abi.h that tests name.
const (
	Done    = C.GOWSGI_DONE
	Failed  = C.GOWSGI_FAILED
	Aborted = C.GOWSGI_ABORTED
	Gone    = C.GOWSGI_GONE

	ReadFailed    = C.GOWSGI_READ_FAILED
	ReadGone      = C.GOWSGI_READ_GONE
	ReadTimeout   = C.GOWSGI_READ_TIMEOUT
	ReadTooLarge  = C.GOWSGI_READ_TOO_LARGE
	ReadMalformed = C.GOWSGI_READ_MALFORMED

	Flush = C.GOWSGI_WRITE_FLUSH
	Last  = C.GOWSGI_WRITE_LAST

	Reload            = C.GOWSGI_REQ_RELOAD
	ReloadInterpreter = C.GOWSGI_REQ_RELOAD_INTERPRETER
	Head              = C.GOWSGI_REQ_HEAD
)

// Read is one answer to the library's wish for more of the request body: bytes, or with empty Data a code.
type Read struct {
	Data    string
	Code    int
	DelayMS int
}

// Body is a request body that comes in these pieces.
func Body(pieces ...string) []Read {
	var reads []Read
	for _, piece := range pieces {
		reads = append(reads, Read{Data: piece})
	}
	return reads
}

// Request is one request as the server hands it over. Its zero values mean: no environ, application "application", main interpreter,
// no body, a client that takes all.
type Request struct {
	Script, Group, Callable string
	Environ                 [][2]string
	RawEnviron              []byte // in place of Environ
	Mtime                   int64
	Flags                   int
	Body                    []Read
	ClientLeaves            bool // after Room bytes of the response
	Room                    int64
	RefuseHead              bool
}

// Line is a record of the log.
type Line struct {
	Level int
	Text  string
}

// Write is a piece of the response's body.
type Write struct {
	Data  string
	Flags int
}

// File is a file as the response's body.
type File struct {
	Offset, Length int64
	Data           string
}

// Response is what became of a request.
type Response struct {
	Outcome int
	Answer  int // the status to answer after Failed
	Heads   int // how often a head was stated
	Status  int
	Line    string
	Length  int64 // -1: not stated
	Headers [][2]string
	Writes  []Write
	Files   []File
	Reads   []int // what each read gave
	Readers int   // threads that were in a read at once, at most
	Log     []Line
}

// Body is all of the response's body that was written.
func (r Response) Body() string {
	var b strings.Builder
	for _, w := range r.Writes {
		b.WriteString(w.Data)
	}
	return b.String()
}

// LogText is the log's lines.
func (r Response) LogText() string {
	return Text(r.Log)
}

// Text joins the lines of a log.
func Text(lines []Line) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line.Text + "\n")
	}
	return b.String()
}

// Junction is what pyembed.SetJunction takes, in a test binary.
func Junction() unsafe.Pointer {
	return C.ht_junction()
}

// Start starts Python in this process, with the fake host's log.
func Start(config pyembed.Config) error {
	config.Log = unsafe.Pointer(C.ht_process_log)
	pyembed.SetJunction(C.ht_junction())
	return pyembed.Start(config)
}

// Pack encodes pairs as the server does.
func Pack(pairs [][2]string) []byte {
	var b []byte
	for _, p := range pairs {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p[0])))
		b = binary.BigEndian.AppendUint32(b, uint32(len(p[1])))
		b = append(append(b, p[0]...), p[1]...)
	}
	return b
}

// ErrMalformed is Unpack's error.
var ErrMalformed = errors.New("not whole pairs")

// Unpack walks over packed pairs with the C decoder and packs them again.
func Unpack(data []byte) ([]byte, error) {
	in := C.CBytes(data)
	defer C.free(in)
	out := C.malloc(C.size_t(2*len(data) + 1))
	defer C.free(out)
	n := C.ht_unpack((*C.char)(in), C.size_t(len(data)), (*C.char)(out))
	if n < 0 {
		return nil, ErrMalformed
	}
	return C.GoBytes(out, C.int(n)), nil
}

// memory is what a request lives in; C's, for Go's may move and holds no pointers to C's.
type memory []unsafe.Pointer

func (m *memory) span(data []byte) C.gowsgi_span {
	p := C.CBytes(append(bytes.Clone(data), 0))
	*m = append(*m, p)
	return C.gowsgi_span{data: (*C.char)(p), len: C.size_t(len(data))}
}

func (m *memory) free() {
	for _, p := range *m {
		C.free(p)
	}
}

func (m *memory) reads(reads []Read) *C.ht_read {
	p := C.calloc(C.size_t(len(reads)+1), C.sizeof_ht_read)
	*m = append(*m, p)
	list := unsafe.Slice((*C.ht_read)(p), len(reads))
	for i, r := range reads {
		list[i].delay_ms = C.int(r.DelayMS)
		if r.Data == "" {
			list[i].code = C.ssize_t(r.Code)
			continue
		}
		s := m.span([]byte(r.Data))
		list[i].data, list[i].len = s.data, s.len
	}
	return (*C.ht_read)(p)
}

// Serve has the request served on the calling thread.
func (q Request) Serve() Response {
	var m memory
	defer m.free()
	h := (*C.ht_host)(C.calloc(1, C.sizeof_ht_host))
	r := (*C.gowsgi_request)(C.calloc(1, C.sizeof_gowsgi_request))
	m = append(m, unsafe.Pointer(h), unsafe.Pointer(r))
	h.reads, h.read_count = m.reads(q.Body), C.size_t(len(q.Body))
	h.room = -1
	if q.ClientLeaves {
		h.room = C.int64_t(q.Room)
	}
	if q.RefuseHead {
		h.refuse_head = 1
	}
	environ := q.RawEnviron
	if environ == nil {
		environ = Pack(q.Environ)
	}
	if q.Callable == "" {
		q.Callable = "application"
	}
	r.environ, r.script, r.app_group = m.span(environ), m.span([]byte(q.Script)), m.span([]byte(q.Group))
	r.callable = m.span([]byte(q.Callable))
	r.script_mtime, r.flags, r.start_time = C.int64_t(q.Mtime), C.uint(q.Flags), 1500000
	var outcome C.int
	if C.ht_serve(h, r, &outcome) != 0 {
		panic("hosttest: gowsgi_request_serve is not linked in")
	}
	response := decode(&h.record)
	C.free(unsafe.Pointer(h.record.data))
	response.Outcome, response.Answer = int(outcome), int(r.status)
	return response
}

// decode reads what the fake recorded.
func decode(record *C.ht_record) Response {
	r := Response{Length: -1}
	data := C.GoBytes(unsafe.Pointer(record.data), C.int(record.len))
	for len(data) > 0 {
		kind := data[0]
		a, b := int64(binary.NativeEndian.Uint64(data[1:])), int64(binary.NativeEndian.Uint64(data[9:]))
		n := binary.NativeEndian.Uint64(data[17:])
		text := string(data[25 : 25+n])
		data = data[25+n:]
		r.add(kind, a, b, text)
	}
	return r
}

func (r *Response) add(kind byte, a, b int64, text string) {
	switch kind {
	case 'R':
		r.Reads, r.Readers = append(r.Reads, int(b)), max(r.Readers, int(a)+1)
	case 'H':
		r.Heads++
		r.Status, r.Length, r.Line = int(a), b, text
	case 'h':
		r.Headers = pairs([]byte(text))
	case 'W':
		r.Writes = append(r.Writes, Write{Data: text, Flags: int(a)})
	case 'F':
		r.Files = append(r.Files, File{Offset: a, Length: b, Data: text})
	case 'L':
		r.Log = append(r.Log, Line{Level: int(a), Text: text})
	default:
		panic(fmt.Sprintf("hosttest: record %q", kind))
	}
}

func pairs(packed []byte) [][2]string {
	var list [][2]string
	for len(packed) > 0 {
		n, v := binary.BigEndian.Uint32(packed), binary.BigEndian.Uint32(packed[4:])
		list = append(list, [2]string{string(packed[8 : 8+n]), string(packed[8+n : 8+n+v])})
		packed = packed[8+n+v:]
	}
	return list
}

// ProcessLog is what was logged outside of any request so far.
func ProcessLog() []Line {
	C.pthread_mutex_lock(&C.ht_process_record.lock)
	defer C.pthread_mutex_unlock(&C.ht_process_record.lock)
	return decode(&C.ht_process_record).Log
}

// Counters are the library's: requests served, entries into Go.
func Counters() (requests, goEntries uint64) {
	var n, m C.uint64_t
	C.ht_counters(&n, &m)
	return uint64(n), uint64(m)
}

// Interpreters is how many interpreters Python has in this process, ThreadStates how many thread states in all of them.
func Interpreters() int { return int(C.ht_interpreters()) }

// ThreadStates see Interpreters.
func ThreadStates() int { return int(C.ht_thread_states()) }
