// This file is the order of measuring: rounds, contenders, workloads.
package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// bench is one run of a mode.
type bench struct {
	opt   options
	tools tools
	space *workspace
	plan  plan
	log   io.Writer // progress
}

// run measures everything. A contender's failure is noted in the results and does not keep the others from running; an
// interrupt ends the run.
func (b *bench) run(ctx context.Context) (*results, error) {
	res := newResults(b)
	for round := range b.opt.rounds {
		res.round = round
		order := slices.Clone(b.plan.contenders)
		if round%2 == 1 {
			slices.Reverse(order) // what drifts with time favours nobody
		}
		for _, c := range order {
			fmt.Fprintf(b.log, "bench: %s, round %d of %d: %s\n", b.plan.key, round+1, b.opt.rounds, c.key)
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

// contender takes each of its measurements once: those that share a server first, then each that has one of its own.
func (b *bench) contender(ctx context.Context, c contender, res *results) error {
	var together, alone []workload
	for _, w := range b.plan.workloads {
		switch {
		case !c.offers(w):
		case w.kind.alone:
			alone = append(alone, w)
		default:
			together = append(together, w)
		}
	}
	if len(together) > 0 {
		if err := b.together(ctx, c, together, res); err != nil {
			return err
		}
	}
	for _, w := range alone {
		for _, n := range w.countsIn(b.opt) {
			if err := b.alone(ctx, c, w, n, res); err != nil {
				return err
			}
		}
	}
	return nil
}

// together measures workloads with one server. One that fails keeps the others from nothing.
func (b *bench) together(ctx context.Context, c contender, loads []workload, res *results) error {
	srv, err := startServer(ctx, b.space, b.tools, c, func(*site) {})
	if err != nil {
		return err
	}
	defer srv.stop()
	if err := b.warmUp(ctx, srv, probe, b.opt.warmup); err != nil {
		return err
	}
	for _, w := range loads {
		err := b.workload(ctx, srv, w, res)
		if err := b.note(ctx, srv, w, res, err); err != nil {
			return err
		}
	}
	return nil
}

// alone measures a workload with a server that is configured for it.
func (b *bench) alone(ctx context.Context, c contender, w workload, n int, res *results) error {
	srv, err := startServer(ctx, b.space, b.tools, c, func(v *site) { w.kind.configure(v, w, n) })
	if err != nil {
		return err
	}
	defer srv.stop()
	return b.note(ctx, srv, w, res, b.cell(ctx, srv, w, n, res))
}

// note keeps a workload's failure among the results. Only an interrupt goes further.
func (b *bench) note(ctx context.Context, srv *server, w workload, res *results, err error) error {
	if err != nil && ctx.Err() == nil {
		res.fail(srv.key+", "+w.key, fmt.Errorf("%w%s", err, srv.logTail()))
		err = nil
	}
	return err
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
	for _, n := range w.countsIn(b.opt) {
		if err := b.cell(ctx, srv, w, n, res); err != nil {
			return err
		}
	}
	return nil
}

// cell measures one row of a table, and the memory in use after it.
func (b *bench) cell(ctx context.Context, srv *server, w workload, n int, res *results) error {
	s, err := w.kind.measure(ctx, b, srv, w, n)
	if err != nil {
		return err
	}
	bytes, err := srv.pss()
	if err != nil {
		return err
	}
	s[pss] = float64(bytes) / mebi
	res.add(cellKey{srv.key, w.key, n}, s)
	return nil
}

func (w workload) countsIn(opt options) []int {
	if w.counts == nil {
		return w.kind.counts(opt)
	}
	return w.counts
}

// kind is a way to measure, with the columns of its tables and what is counted in their titles.
type kind struct {
	one, many string
	columns   []column
	counts    func(options) []int // of a workload that says none
	alone     bool                // each has a server of its own, which configure prepares for it
	configure func(v *site, w workload, n int)
	measure   func(ctx context.Context, b *bench, srv *server, w workload, n int) (sample, error)
	detail    func(w io.Writer, res *results, load workload, count int) // prints what the columns do not; nil: nothing
}

func (k *kind) counted(n int) string {
	if n == 1 {
		return "1 " + k.one
	}
	return fmt.Sprintf("%d %s", n, k.many)
}

var kindLoad = kind{
	one: "connection", many: "connections", columns: loadColumns,
	counts: func(opt options) []int { return opt.connections }, measure: measureLoad,
}

// measureLoad is one run of wrk with the CPU time that the contender used for it.
func measureLoad(ctx context.Context, b *bench, srv *server, w workload, connections int) (sample, error) {
	if w.key != probe {
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
		rate: out.rate, answered: float64(out.requests),
		cpu: micros(used) / float64(out.requests),
		p50: out.p50.Seconds() * 1000,
		p99: out.p99.Seconds() * 1000,
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
