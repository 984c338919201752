// This file loads daemon process groups that have fewer threads than there are clients, and looks how long each request takes: who
// came first is to be served first. It is the mode "fairness".
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	modeFairness = "fairness"
	fairFor      = 8 * time.Second
	settlingFor  = time.Second // at the begin of that, when all clients come at once
)

// crowd is a group of daemon processes and more clients than it has threads.
type crowd struct {
	processes, threads int
	options            string // more options of WSGIDaemonProcess
	clients            int
	nap                func(n int) int // how many milliseconds the n-th request of a client takes
}

func always(ms int) func(int) int { return func(int) int { return ms } }

func crowds() []workload {
	oneOfTen := func(n int) int {
		if n%10 == 9 {
			return 500
		}
		return 5
	}
	list := []workload{
		{key: "2x1", crowd: &crowd{2, 1, "", 16, always(50)}},
		{key: "5x1", crowd: &crowd{5, 1, "", 20, always(100)}},
		{key: "4x2", crowd: &crowd{4, 2, "", 24, oneOfTen}},
		{key: "2x1-timeout", crowd: &crowd{2, 1, "queue-timeout=2", 60, always(50)}},
	}
	titles := []string{"50 ms each", "100 ms each", "nine of ten 5 ms, one 500 ms", "50 ms each"}
	for i := range list {
		c := list[i].crowd
		list[i].title = fmt.Sprintf("processes=%d threads=%d %s, %s", c.processes, c.threads, c.options, titles[i])
	}
	return list
}

// crowded are contenders of daemon mode, each once for each crowd.
func crowded(all []contender) []contender {
	var list []contender
	for _, w := range crowds() {
		for _, c := range all {
			if c.key == "mod_wsgi-daemon" || c.key == "gowsgi-daemon" {
				c.modes, c.serves, c.crowd = []string{modeFairness}, []string{w.key}, w.crowd
				list = append(list, c)
			}
		}
	}
	return list
}

func fairnessTargets() []target {
	ours, theirs := "gowsgi-daemon", "mod_wsgi-daemon"
	var list []target
	for _, w := range crowds() {
		if w.crowd.options == "" {
			list = append(list, target{ours, theirs, w.key, w.crowd.clients, p99, false, 1.05})
		}
		list = append(list, target{ours, "", w.key, w.crowd.clients, refused, false, 0})
	}
	return list
}

// tally is what one client saw.
type tally struct {
	took    []time.Duration
	refused int
	err     error
}

// measureCrowd has the clients ask again and again, each as soon as it has its answer.
func measureCrowd(ctx context.Context, srv *server, c *crowd) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, fairFor)
	defer cancel()
	begin, cpu := time.Now(), srv.cpu()
	tallies := make([]tally, c.clients)
	var all sync.WaitGroup
	for i := range tallies {
		all.Add(1)
		go func() {
			defer all.Done()
			tallies[i] = c.client(ctx, srv.url("nap"), 7*i, begin.Add(settlingFor))
		}()
	}
	all.Wait()
	return summarise(tallies, srv.cpu()-cpu)
}

// client asks until the time is over. What it asked for before from does not count.
func (c *crowd) client(ctx context.Context, url string, n int, from time.Time) tally {
	var t tally
	client := newClient()
	defer client.CloseIdleConnections()
	for ; ctx.Err() == nil; n++ {
		began := time.Now()
		status, err := askNap(ctx, client, fmt.Sprintf("%s?%d", url, c.nap(n)))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			t.err = err
			return t
		case status != http.StatusOK:
			t.refused++
		case began.After(from):
			t.took = append(t.took, time.Since(began))
		}
	}
	return t
}

func askNap(ctx context.Context, client *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func summarise(tallies []tally, used time.Duration) (sample, error) {
	var took []time.Duration
	s := sample{}
	for _, t := range tallies {
		if t.err != nil {
			return s, t.err
		}
		took = append(took, t.took...)
		s.Refused += t.refused
	}
	if len(took) < 100 {
		return s, fmt.Errorf("only %d requests were answered", len(took))
	}
	slices.Sort(took)
	ms := func(share float64) float64 { return took[int(share*float64(len(took)-1))].Seconds() * 1000 }
	s.Rate = float64(len(took)) / (fairFor - settlingFor).Seconds()
	s.CPU = micros(used) / float64(len(took))
	s.P50, s.P99, s.Max = ms(0.5), ms(0.99), ms(1)
	return s, nil
}
