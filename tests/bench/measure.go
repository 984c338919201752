// This file is the order of measuring: rounds, contenders, workloads.
package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// bench is one run of the program.
type bench struct {
	opt        options
	tools      tools
	space      *workspace
	contenders []contender
	workloads  []workload
	log        io.Writer // progress
}

// run measures everything. A contender's failure is noted in the results and does not keep the others from running; an
// interrupt ends the run.
func (b *bench) run(ctx context.Context) (*results, error) {
	res := newResults(b)
	for round := range b.opt.rounds {
		res.round = round
		order := slices.Clone(b.contenders)
		if round%2 == 1 {
			slices.Reverse(order) // what drifts with time favours nobody
		}
		for _, c := range order {
			fmt.Fprintf(b.log, "bench: round %d of %d: %s\n", round+1, b.opt.rounds, c.key)
			err := b.contender(ctx, c, res)
			if ctx.Err() != nil {
				return nil, fmt.Errorf("interrupted: %w", ctx.Err())
			}
			if err != nil {
				res.fail(c.key, err)
			}
		}
	}
	return res, nil
}

// contender starts one httpd, takes each of its measurements once, and stops it.
func (b *bench) contender(ctx context.Context, c contender, res *results) error {
	srv, err := startServer(ctx, b.space, b.tools, c)
	if err != nil {
		return err
	}
	defer srv.stop()
	if err := b.warmUp(ctx, srv, "hello", b.opt.warmup); err != nil {
		return err
	}
	for _, w := range b.workloads {
		if !c.offers(w) {
			continue
		}
		if err := b.workload(ctx, srv, w, res); err != nil {
			if ctx.Err() != nil {
				return err
			}
			res.fail(c.key+", "+w.key, fmt.Errorf("%w%s", err, srv.logTail()))
		}
	}
	return nil
}

// warmUp uses enough connections to reach every child.
func (b *bench) warmUp(ctx context.Context, srv *server, key string, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	_, err := runWrk(ctx, b.tools.wrk, srv.url(key), max(16, slices.Max(b.opt.connections)), d)
	return err
}

func (b *bench) workload(ctx context.Context, srv *server, w workload, res *results) error {
	if w.check != nil {
		if err := srv.verify(ctx, w.key, w.check); err != nil {
			return err
		}
	}
	for _, n := range w.countsOr(b.opt.connections) {
		s, err := w.kind.measure(ctx, b, srv, w, n)
		if err != nil {
			return err
		}
		if err := srv.addMemory(s); err != nil {
			return err
		}
		res.add(cellKey{srv.key, w.key, n}, s)
	}
	return nil
}

func (w workload) countsOr(given []int) []int {
	if w.counts == nil {
		return given
	}
	return w.counts
}

// addMemory notes the memory in use after a measurement.
func (s *server) addMemory(to sample) error {
	bytes, err := s.pss()
	to[pss] = float64(bytes) / mebi
	return err
}

// kind is a way to measure, with the columns of its tables and what is counted in their titles.
type kind struct {
	one, many string
	columns   []column
	measure   func(ctx context.Context, b *bench, srv *server, w workload, n int) (sample, error)
}

func (k *kind) counted(n int) string {
	if n == 1 {
		return "1 " + k.one
	}
	return fmt.Sprintf("%d %s", n, k.many)
}

var kindLoad = kind{one: "connection", many: "connections", columns: loadColumns, measure: measureLoad}

// measureLoad is one run of wrk with the CPU time that the contender used for it.
func measureLoad(ctx context.Context, b *bench, srv *server, w workload, connections int) (sample, error) {
	if w.key != "hello" {
		// Each child loads the application before it counts.
		if err := b.warmUp(ctx, srv, w.key, b.opt.warmup/2); err != nil {
			return nil, err
		}
	}
	cpuBefore := srv.cpu()
	out, err := runWrk(ctx, b.tools.wrk, srv.url(w.key), connections, b.opt.duration)
	used := srv.cpu() - cpuBefore
	if err != nil {
		return nil, err
	}
	if len(out.problems) > 0 {
		return nil, fmt.Errorf("%d connections: wrk says: %v", connections, out.problems)
	}
	if out.requests == 0 {
		return nil, fmt.Errorf("%d connections: no request was answered", connections)
	}
	return sample{
		rate: out.rate,
		cpu:  micros(used) / float64(out.requests),
		p50:  out.p50.Seconds() * 1000,
		p99:  out.p99.Seconds() * 1000,
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
