package wire

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unhex reads hexadecimal bytes with anything between them that is none.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return b
}

var goldenRequest = Request{
	StartTime: 0x0102030405060708, SentTime: 0x1112131415161718, ScriptMtime: -1, WaitingSince: 0x2122232425262728, Flags: 9, Script: "/a.wsgi",
	AppGroup: "", Callable: "application", Environ: Pack("A", "b", "CD", ""), Body: []byte("body"),
}

const goldenRequestBytes = `
	0102030405060708 1112131415161718 ffffffffffffffff 2122232425262728 00000009 00000014 00000004 0007 0000 000b
	2f612e7773676900 00 6170706c69636174696f6e00
	00000001 00000001 41 62 00000002 00000000 4344
	626f6479`

var goldenResponse = Response{Status: 404, ContentLength: -1, StatusLine: "404 Not Found", Headers: Pack("X", "y")}

const goldenResponseBytes = `
	0194 000d ffffffffffffffff 343034204e6f7420466f756e6400
	00000001 00000001 58 79`

func TestGoldenRequest(t *testing.T) {
	assert.Equal(t, unhex(t, goldenRequestBytes), goldenRequest.Encode())
	decoded, err := DecodeRequest(unhex(t, goldenRequestBytes))
	require.NoError(t, err)
	assert.Equal(t, goldenRequest, decoded)
}

func TestGoldenResponse(t *testing.T) {
	assert.Equal(t, unhex(t, goldenResponseBytes), goldenResponse.Encode())
	decoded, err := DecodeResponse(unhex(t, goldenResponseBytes))
	require.NoError(t, err)
	assert.Equal(t, goldenResponse, decoded)
}

// Each type's number and each flag are part of the protocol.
func TestGoldenFrames(t *testing.T) {
	golden := map[string]Frame{
		"00000002 01 01 0000 7878":                             {TypeRequest, FlagBodyComplete, []byte("xx")},
		"00000001 02 00 0000 61":                               {TypeBody, 0, []byte("a")},
		"00000000 03 00 0000":                                  {TypeBodyEnd, 0, []byte{}},
		"00000001 04 00 0000 02":                               {TypeBodyFail, 0, []byte{2}},
		"00000004 10 00 0000 00010000":                         {TypeWant, 0, []byte{0, 1, 0, 0}},
		"00000001 11 00 0000 00":                               {TypeHead, 0, []byte{0}},
		"00000003 12 01 0000 616263":                           {TypeData, FlagFlush, []byte("abc")},
		"00000003 12 02 0000 616263":                           {TypeData, FlagLast, []byte("abc")},
		"00000010 13 00 0000 00000000000000000000000000000007": {TypeFile, 0, append(make([]byte, 15), 7)},
		"00000002 14 00 0000 0378":                             {TypeLog, 0, []byte{3, 'x'}},
		"00000000 15 00 0000":                                  {TypeEnd, 0, []byte{}},
		"00000000 16 00 0000":                                  {TypeAbort, 0, []byte{}},
		"00000002 17 00 0000 01f8":                             {TypeFail, 0, []byte{0x01, 0xf8}},
		"00000001 18 00 0000 01":                               {TypeRetry, 0, []byte{RetryReload}},
		"00000001 18 00 0000 03":                               {TypeRetry, 0, []byte{RetryBusy}},
	}
	for text, frame := range golden {
		wire := unhex(t, text)
		assert.Equal(t, wire, frame.Append(nil), text)
		decoded, err := ReadFrame(bytes.NewReader(wire))
		require.NoError(t, err, text)
		assert.Equal(t, frame, decoded, text)
		for n := range wire {
			_, err := ReadFrame(bytes.NewReader(wire[:n]))
			assert.Error(t, err, "%s: %d bytes of it", text, n)
		}
	}
}

func TestHeadLimits(t *testing.T) {
	head := func(text string) (b [HeadSize]byte) {
		copy(b[:], unhex(t, text))
		return b
	}
	_, length, err := DecodeHead(head("00400000 12 00 0000"))
	require.NoError(t, err)
	assert.Equal(t, MaxPayload, length)
	for _, bad := range []string{"00400001 12 00 0000", "ffffffff 12 00 0000", "00000000 12 00 0001", "00000000 12 00 0100"} {
		_, _, err := DecodeHead(head(bad))
		assert.ErrorIs(t, err, ErrHead, bad)
	}
}

// The lengths in a REQUEST say where the environ ends and the body begins, so no prefix is whole.
func TestRequestPrefixes(t *testing.T) {
	whole := goldenRequest.Encode()
	for n := range whole {
		_, err := DecodeRequest(whole[:n])
		assert.ErrorIs(t, err, ErrRequest, "%d bytes", n)
	}
	_, err := DecodeRequest(append(whole, 0))
	assert.ErrorIs(t, err, ErrRequest, "one byte more")
}

func TestRequestLimits(t *testing.T) {
	long := goldenRequest
	long.Script, long.AppGroup, long.Callable = strings.Repeat("s", 65535), strings.Repeat("g", 65535), strings.Repeat("c", 65535)
	decoded, err := DecodeRequest(long.Encode())
	require.NoError(t, err)
	assert.Equal(t, long, decoded)

	smallest := Request{Environ: []byte{}, Body: []byte{}}
	decoded, err = DecodeRequest(smallest.Encode())
	require.NoError(t, err)
	assert.Equal(t, smallest, decoded)

	// Each length one more and one less than what there is.
	for _, at := range []int{39, 43, 45, 47, 49} {
		for _, by := range []byte{1, 0xff} {
			wire := goldenRequest.Encode()
			wire[at] += by
			_, err := DecodeRequest(wire)
			assert.ErrorIs(t, err, ErrRequest, "length at %d changed by %d", at, int8(by))
		}
	}
	nul := goldenRequest
	nul.Script = "/a\x00b"
	_, err = DecodeRequest(nul.Encode())
	assert.ErrorIs(t, err, ErrRequest, "NUL in a name")
}

func TestResponsePrefixesAndLimits(t *testing.T) {
	whole := goldenResponse.Encode()
	headers := len(whole) - len(goldenResponse.Headers)
	for n := range headers {
		_, err := DecodeResponse(whole[:n])
		assert.ErrorIs(t, err, ErrResponse, "%d bytes", n)
	}
	for n := headers; n < len(whole); n++ { // the headers go to the end of the frame: unpacking them finds it out
		r, err := DecodeResponse(whole[:n])
		require.NoError(t, err)
		_, err = Unpack(r.Headers)
		assert.Equal(t, n == headers, err == nil, "%d bytes", n)
	}
	for status, valid := range map[int]bool{199: false, 200: true, 999: true, 1000: false, 0: false, 65535: false} {
		_, err := DecodeResponse(Response{Status: status, ContentLength: 0}.Encode())
		assert.Equal(t, valid, err == nil, "status %d", status)
	}
	for length, valid := range map[int64]bool{-2: false, -1: true, 0: true, 1<<63 - 1: true, -1 << 63: false} {
		_, err := DecodeResponse(Response{Status: 200, ContentLength: length}.Encode())
		assert.Equal(t, valid, err == nil, "content length %d", length)
	}
}

func TestPacked(t *testing.T) {
	pairs := []string{"NAME", "value", "", "", "x", strings.Repeat("long", 1000)}
	packed := Pack(pairs...)
	unpacked, err := Unpack(packed)
	require.NoError(t, err)
	assert.Equal(t, pairs, unpacked)
	whole := map[int]bool{0: true, 17: true, 25: true}
	for n := range len(packed) {
		_, err := Unpack(packed[:n])
		assert.Equal(t, whole[n], err == nil, "%d bytes", n)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(goldenRequest.Encode())
	f.Add(Request{}.Encode())
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := DecodeRequest(payload)
		if err != nil {
			return
		}
		assert.Equal(t, payload, r.Encode())
		_, _ = Unpack(r.Environ)
	})
}

func FuzzResponse(f *testing.F) {
	f.Add(goldenResponse.Encode())
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := DecodeResponse(payload)
		if err != nil {
			return
		}
		assert.Equal(t, payload, r.Encode())
		_, _ = Unpack(r.Headers)
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(Frame{TypeData, FlagFlush, []byte("abc")}.Append(Frame{TypeEnd, 0, nil}.Append(nil)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		var again []byte
		for {
			frame, err := ReadFrame(r)
			if err != nil {
				break
			}
			again = frame.Append(again)
		}
		assert.True(t, bytes.HasPrefix(stream, again))
		_, _ = io.Copy(io.Discard, r)
	})
}
