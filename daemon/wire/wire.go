// This file gives Go the functions of wire.h, for tests of both ends of the protocol and for fuzzing. Each works on a copy of
// exactly its bytes in C's memory, so that a sanitizer sees a read beyond them.

package wire

/*
#cgo CFLAGS: -I${SRCDIR}/../../c -Wall
#include <stdlib.h>
#include "wire.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// Type is a frame's type.
type Type uint8

// The types; wire.h explains them.
const (
	TypeRequest  Type = C.WIRE_REQUEST
	TypeBody     Type = C.WIRE_BODY
	TypeBodyEnd  Type = C.WIRE_BODY_END
	TypeBodyFail Type = C.WIRE_BODY_FAIL
	TypeWant     Type = C.WIRE_WANT
	TypeHead     Type = C.WIRE_HEAD_FRAME
	TypeData     Type = C.WIRE_DATA
	TypeFile     Type = C.WIRE_FILE
	TypeLog      Type = C.WIRE_LOG
	TypeEnd      Type = C.WIRE_END
	TypeAbort    Type = C.WIRE_ABORT
	TypeFail     Type = C.WIRE_FAIL
	TypeRetry    Type = C.WIRE_RETRY
)

// Sizes, flags and reasons; wire.h explains them.
const (
	HeadSize         = C.WIRE_HEAD
	MaxPayload       = C.WIRE_MAX_PAYLOAD
	Chunk            = C.WIRE_CHUNK
	InlineBody       = C.WIRE_INLINE_BODY
	FlagBodyComplete = C.WIRE_FLAG_BODY_COMPLETE
	FlagFlush        = C.WIRE_FLAG_FLUSH
	FlagLast         = C.WIRE_FLAG_LAST
	RetryReload      = C.WIRE_RETRY_RELOAD
	RetryStopping    = C.WIRE_RETRY_STOPPING
	RetryBusy        = C.WIRE_RETRY_BUSY
)

// Flags of a request.
const (
	RequestReload        = C.GOWSGI_REQ_RELOAD
	RequestReloadProcess = C.GOWSGI_REQ_RELOAD_PROCESS
	RequestHead          = C.GOWSGI_REQ_HEAD
)

var (
	// ErrHead says that bytes are not the head of a frame.
	ErrHead = errors.New("not the head of a frame")
	// ErrRequest says that a payload is not that of a REQUEST.
	ErrRequest = errors.New("not a REQUEST")
	// ErrResponse says that a payload is not that of a HEAD.
	ErrResponse = errors.New("not a HEAD")
	// ErrPacked says that bytes are not whole pairs.
	ErrPacked = errors.New("not whole pairs")
)

// Frame is a frame.
type Frame struct {
	Type    Type
	Flags   uint8
	Payload []byte
}

// Append adds the frame's bytes to b.
func (f Frame) Append(b []byte) []byte {
	var head [HeadSize]byte
	C.wire_put_head((*C.char)(unsafe.Pointer(&head[0])), C.wire_type(f.Type), C.uint8_t(f.Flags), C.uint32_t(len(f.Payload)))
	return append(append(b, head[:]...), f.Payload...)
}

// DecodeHead reads the head of a frame; the payload is not there yet.
func DecodeHead(head [HeadSize]byte) (f Frame, length int, err error) {
	var c C.wire_frame
	if C.wire_get_head((*C.char)(unsafe.Pointer(&head[0])), &c) != 0 {
		return Frame{}, 0, fmt.Errorf("%w: % x", ErrHead, head)
	}
	return Frame{Type: Type(c._type), Flags: uint8(c.flags)}, int(c.length), nil
}

// ReadFrame reads one frame.
func ReadFrame(r io.Reader) (Frame, error) {
	var head [HeadSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	f, length, err := DecodeHead(head)
	if err != nil {
		return Frame{}, err
	}
	f.Payload = make([]byte, length)
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, fmt.Errorf("payload: %w", err)
	}
	return f, nil
}

// Request is the payload of a REQUEST. Environ is packed.
type Request struct {
	StartTime, SentTime, ScriptMtime int64
	WaitingSince                     int64 // of CLOCK_MONOTONIC
	Flags                            uint32
	Script, AppGroup, Callable       string
	Environ, Body                    []byte
}

// Encode returns the payload.
func (r Request) Encode() []byte {
	a := arena{}
	defer a.free()
	c := C.wire_request{
		start_time: C.int64_t(r.StartTime), sent_time: C.int64_t(r.SentTime), script_mtime: C.int64_t(r.ScriptMtime),
		waiting_since: C.int64_t(r.WaitingSince), flags: C.uint32_t(r.Flags), script: a.span([]byte(r.Script)), app_group: a.span([]byte(r.AppGroup)),
		callable: a.span([]byte(r.Callable)), environ: a.span(r.Environ), body: a.span(r.Body),
	}
	prefix := a.span(make([]byte, C.wire_request_prefix_length(&c)))
	C.wire_put_request_prefix(prefix.data, &c)
	return append(append(bytesOf(prefix), r.Environ...), r.Body...)
}

// DecodeRequest reads the payload of a REQUEST.
func DecodeRequest(payload []byte) (Request, error) {
	a := arena{}
	defer a.free()
	var c C.wire_request
	if C.wire_get_request(a.span(payload), &c) != 0 {
		return Request{}, ErrRequest
	}
	return Request{
		StartTime: int64(c.start_time), SentTime: int64(c.sent_time), ScriptMtime: int64(c.script_mtime),
		WaitingSince: int64(c.waiting_since), Flags: uint32(c.flags), Script: string(bytesOf(c.script)), AppGroup: string(bytesOf(c.app_group)), Callable: string(bytesOf(c.callable)),
		Environ: bytesOf(c.environ), Body: bytesOf(c.body),
	}, nil
}

// Response is the payload of a HEAD. Headers are packed.
type Response struct {
	Status        int
	ContentLength int64 // -1: not known
	StatusLine    string
	Headers       []byte
}

// Encode returns the payload.
func (r Response) Encode() []byte {
	a := arena{}
	defer a.free()
	c := C.wire_response{status: C.uint16_t(r.Status), content_length: C.int64_t(r.ContentLength),
		status_line: a.span([]byte(r.StatusLine)), headers: a.span(r.Headers)}
	payload := a.span(make([]byte, C.wire_response_length(&c)))
	C.wire_put_response(payload.data, &c)
	return bytesOf(payload)
}

// DecodeResponse reads the payload of a HEAD.
func DecodeResponse(payload []byte) (Response, error) {
	a := arena{}
	defer a.free()
	var c C.wire_response
	if C.wire_get_response(a.span(payload), &c) != 0 {
		return Response{}, ErrResponse
	}
	return Response{Status: int(c.status), ContentLength: int64(c.content_length), StatusLine: string(bytesOf(c.status_line)),
		Headers: bytesOf(c.headers)}, nil
}

// Pack packs pairs of names and values.
func Pack(namesAndValues ...string) []byte {
	a := arena{}
	defer a.free()
	size := 0
	for _, s := range namesAndValues {
		size += len(s) + C.GOWSGI_PACKED_PAIR_OVERHEAD/2
	}
	packed := a.span(make([]byte, size))
	at := packed.data
	for i := 0; i < len(namesAndValues); i += 2 {
		at = C.gowsgi_packed_put(at, a.span([]byte(namesAndValues[i])), a.span([]byte(namesAndValues[i+1])))
	}
	return bytesOf(packed)
}

// Unpack is the inverse of Pack.
func Unpack(packed []byte) (namesAndValues []string, err error) {
	a := arena{}
	defer a.free()
	rest := a.span(packed)
	var name, value C.gowsgi_span
	for {
		switch C.gowsgi_packed_next(&rest, &name, &value) {
		case 0:
			return namesAndValues, nil
		case -1:
			return nil, ErrPacked
		}
		namesAndValues = append(namesAndValues, string(bytesOf(name)), string(bytesOf(value)))
	}
}

// arena is C's memory for one call.
type arena struct {
	pieces []unsafe.Pointer
}

func (a *arena) span(b []byte) C.gowsgi_span {
	p := C.malloc(C.size_t(max(len(b), 1)))
	a.pieces = append(a.pieces, p)
	copy(unsafe.Slice((*byte)(p), len(b)), b)
	return C.gowsgi_span{data: (*C.char)(p), len: C.size_t(len(b))}
}

func (a *arena) free() {
	for _, p := range a.pieces {
		C.free(p)
	}
}

func bytesOf(s C.gowsgi_span) []byte {
	return C.GoBytes(unsafe.Pointer(s.data), C.int(s.len))
}
