// This file is the client of a crowd: people who each ask, wait for the answer, and ask again, over a connection of their
// own. It tells how long each of them waited, which a load generator that keeps sums cannot.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// crowd says what the clients of a workload ask for, and of what.
type crowd struct {
	group  string // options of the daemon process group that answers
	mounts []mount
	lasts  int // runs of -duration: as many as its percentiles need answers
	// next is what a client asks for, as a URL below the server's; draw is the same for a client in each run.
	next func(client int, draw *rand.Rand) string
}

// naps is where nap asks.
var naps = []mount{{URL: "nap", Script: "nap"}}

// nap asks for an answer that takes ms milliseconds.
func nap(ms int) string { return fmt.Sprintf("nap?ms=%d", ms) }

func always(ms int) func(int, *rand.Rand) string {
	return func(int, *rand.Rand) string { return nap(ms) }
}

// seldom asks for one slow answer among ten.
func seldom(usual, slow int) func(int, *rand.Rand) string {
	return func(_ int, draw *rand.Rand) string {
		if draw.IntN(10) == 0 {
			return nap(slow)
		}
		return nap(usual)
	}
}

var kindCrowd = kind{one: "client", many: "clients", columns: crowdColumns, alone: true, configure: groupOfCrowd, measure: measureCrowd}

func groupOfCrowd(v *site, w workload, _ int) {
	v.Groups = []group{{Name: "bench", Options: w.crowd.group}}
	v.Mounts = append([]mount{{URL: probe, Script: probe}}, w.crowd.mounts...)
}

// answers are what clients got.
type answers struct {
	waits   []time.Duration // of those that are right and not a client's first
	refused int             // all others, whatever went wrong
	errors  []error         // the first of each client's
}

func measureCrowd(ctx context.Context, b *bench, srv *server, w workload, clients int) (sample, error) {
	lasts := time.Duration(w.crowd.lasts) * b.opt.duration
	got := w.crowd.ask(ctx, srv.url(""), clients, lasts)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(got.waits) == 0 {
		return nil, fmt.Errorf("%d clients: no right answer: %v", clients, got.errors)
	}
	if got.refused > 0 {
		fmt.Fprintf(b.log, "bench: %s, %s: %d answers were not right, such as: %v\n", srv.key, w.key, got.refused, got.errors[0])
	}
	slices.Sort(got.waits)
	return sample{
		rate:    float64(len(got.waits)) / lasts.Seconds(),
		p50:     millis(percentile(got.waits, 50)),
		p99:     millis(percentile(got.waits, 99)),
		longest: millis(got.waits[len(got.waits)-1]),
		refused: float64(got.refused),
	}, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile of a sorted list that is not empty: the smallest that p of a hundred do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(1, (len(sorted)*p+99)/100)-1]
}

// ask lets all clients begin at once, and returns when each has the answer that it waited for at the end.
func (c *crowd) ask(ctx context.Context, base string, clients int, lasts time.Duration) answers {
	parts := make([]answers, clients)
	end := time.Now().Add(lasts)
	var all sync.WaitGroup
	for i := range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			parts[i] = c.client(ctx, base, i, end)
		}()
	}
	all.Wait()
	var sum answers
	for _, part := range parts {
		sum.waits = append(sum.waits, part.waits...)
		sum.refused += part.refused
		sum.errors = append(sum.errors, part.errors...)
	}
	return sum
}

// client is one of them. Its first answer is not timed: applications are loaded then.
func (c *crowd) client(ctx context.Context, base string, number int, end time.Time) answers {
	var got answers
	http := newClient()
	defer http.CloseIdleConnections()
	draw := rand.New(rand.NewPCG(1, uint64(number)))
	for first := true; time.Now().Before(end) && ctx.Err() == nil; first = false {
		path := c.next(number, draw)
		start := time.Now()
		err := get(ctx, http, base+path)
		switch {
		case err != nil:
			got.refused++
			if got.errors == nil {
				got.errors = []error{err}
			}
		case !first:
			got.waits = append(got.waits, time.Since(start))
		}
	}
	return got
}

// get wants status 200 and the whole body.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
