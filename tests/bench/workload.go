// This file is the table of workloads: what is asked of each contender, and which answer is right.
package main

import (
	"bytes"
	"fmt"
)

const (
	mebi         = 1 << 20
	helloBody    = "Hello, World!"
	largeSize    = mebi
	transferSize = 100 * mebi
)

// workload is asked at "/" + key.
type workload struct {
	key      string
	title    string
	kind     *kind
	counts   []int // of connections, clients or processes: a table each; nil: those of the flags
	transfer *transfer
	crowd    *crowd
	peer     string                  // title of what each contender's base is; empty: all are compared with the mode's peer
	check    func(body []byte) error // is this the right answer? nil: the kind of workload looks itself
}

// pages are the workloads of both modes. The order is that of measuring. Transfers come before what makes the heap large,
// where a body held in memory could hide.
func pages() []workload {
	return []workload{
		{key: "hello", title: "Hello, World!", kind: &kindLoad, check: isHello},
		{key: "stream", title: "100 MiB streamed response", kind: &kindTransfer, counts: []int{1}, transfer: &transfer{}},
		{key: "upload", title: "100 MiB upload", kind: &kindTransfer, counts: []int{1}, transfer: &transfer{upload: true}},
		{key: "file", title: "100 MiB file (wsgi.file_wrapper)", kind: &kindTransfer, counts: []int{1}, transfer: &transfer{}},
		{key: "large", title: "1 MiB response", kind: &kindLoad, counts: []int{16}, check: isLarge},
		{key: "django", title: "Django page", kind: &kindLoad, counts: []int{16}, check: isDjango},
	}
}

// fairness is about groups in which all threads are at work: whether those who wait get their turn.
func fairness() []workload {
	return []workload{
		{key: "a", title: "2 processes of 1 thread, 50 ms each", kind: &kindCrowd, counts: []int{16},
			crowd: &crowd{group: "processes=2 threads=1", mounts: naps, lasts: 5, next: always(50)}},
		{key: "b", title: "5 processes of 1 thread, 100 ms each", kind: &kindCrowd, counts: []int{20},
			crowd: &crowd{group: "processes=5 threads=1", mounts: naps, lasts: 5, next: always(100)}},
		{key: "c", title: "4 processes of 2 threads, 5 ms each, 500 ms one of ten", kind: &kindCrowd, counts: []int{24},
			crowd: &crowd{group: "processes=4 threads=2", mounts: naps, lasts: 5, next: seldom(5, 500)}},
		{key: "d", title: "2 processes of 1 thread, queue-timeout=2, 50 ms each", kind: &kindCrowd, counts: []int{60},
			crowd: &crowd{group: "processes=2 threads=1 queue-timeout=2", mounts: naps, lasts: 5, next: always(50)}},
	}
}

// groups is about what a group costs that has nothing to do.
func groups() []workload {
	return []workload{{key: "idle", title: "Groups of 2 processes that nobody asks anything", kind: &kindIdle}}
}

// profiles take a small request apart.
func profiles() []workload {
	return []workload{{key: "hello", title: "Hello, World!", kind: &kindProfile, counts: []int{16, 64}}}
}

func isHello(body []byte) error {
	if string(body) != helloBody {
		return fmt.Errorf("the body is %.80q, not %q", body, helloBody)
	}
	return nil
}

func isLarge(body []byte) error {
	if len(body) != largeSize || bytes.Count(body, []byte("x")) != largeSize {
		return fmt.Errorf("the body is not %d times x (it has %d bytes)", largeSize, len(body))
	}
	return nil
}

func isDjango(body []byte) error {
	for _, want := range []string{"<h1>Items On The Shelf</h1>", "item &lt;39&gt;", "sold out", "2024-01-01"} {
		if !bytes.Contains(body, []byte(want)) {
			return fmt.Errorf("the page does not hold %q: %.200q", want, body)
		}
	}
	return nil
}
