// This file is the command line of the benchmark: flags, the order of the steps, and the exit status.
//
// The program starts the servers of each contender, one contender after the other and in alternating order over several
// rounds, loads them, and prints requests/s, CPU per request over all of their processes, latencies, memory, and whether
// the targets are met. What is compared is a mode; -mode chooses some. Run it with `make bench` or
//
//	go run ./tests/bench -mode embedded -only mod_wsgi,gowsgi -workloads hello -connections 16 -rounds 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags, read-only after parseOptions.
type options struct {
	modes       []mode
	only        []string // contender keys; empty: all of the modes
	workloads   []string // workload keys; empty: all
	connections []int
	processes   []int
	rounds      int
	duration    time.Duration
	warmup      time.Duration
	transfers   int // timed large transfers per round
	children    int
	threads     int
	build       string
	apxs        string
	json        string
	keep        bool
	strict      bool
}

var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	if !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if errors.Is(err, errUsage) || errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	os.Exit(1)
}

// run does the whole benchmark; what it starts is ended and what it wrote is removed when it returns.
func run(ctx context.Context, args []string) error {
	opt, err := parseOptions(args)
	if err != nil {
		return err
	}
	tools, err := findTools(opt.apxs)
	if err != nil {
		return err
	}
	plans, err := makePlans(opt, contenders(opt, tools))
	if err != nil {
		return err
	}
	space, err := newWorkspace(opt, tools)
	if err != nil {
		return err
	}
	defer space.remove(opt.keep)
	if err := space.fill(ctx, plans); err != nil {
		return err
	}
	return measure(ctx, opt, tools, space, plans)
}

// measure runs one plan after the other, prints each one's results when it is through, and says what keeps the run from
// being complete.
func measure(ctx context.Context, opt options, t tools, space *workspace, plans []plan) error {
	var reports []report
	var problems []string
	for _, p := range plans {
		b := &bench{opt: opt, tools: t, space: space, plan: p, log: os.Stderr}
		res, err := b.run(ctx)
		if err != nil {
			return err
		}
		r := report{res, judge(p.targets(), res)}
		r.print(os.Stdout)
		reports = append(reports, r)
		problems = append(problems, r.problems(opt.strict)...)
	}
	if opt.json != "" {
		if err := writeJSON(opt.json, reports); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return errors.New("the run is incomplete or failed:\n  " + strings.Join(problems, "\n  "))
	}
	return nil
}

func parseOptions(args []string) (options, error) {
	var opt options
	var keys, only, loads, conns, procs string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&keys, "mode", strings.Join(usualModes(), ","), "comma-separated modes: what to compare; there is also "+modeProfile)
	f.StringVar(&only, "only", "", "comma-separated contenders (default: all of the modes; -only help lists them)")
	f.StringVar(&loads, "workloads", "", "comma-separated workloads (default: all; -workloads help lists them)")
	f.StringVar(&conns, "connections", "1,16,64", "numbers of connections of the hello workload")
	f.StringVar(&procs, "processes", "10,100,160,400", "numbers of processes of the groups that have nothing to do")
	f.IntVar(&opt.rounds, "rounds", 3, "alternating rounds; medians are reported")
	f.DurationVar(&opt.duration, "duration", 3*time.Second, "length of one wrk run")
	f.DurationVar(&opt.warmup, "warmup", 2*time.Second, "load before the first measurement of each httpd")
	f.IntVar(&opt.transfers, "transfers", 20, "timed large transfers per round")
	f.IntVar(&opt.children, "children", 2, "httpd children of each contender")
	f.IntVar(&opt.threads, "threads", 80, "ThreadsPerChild of each contender; more than the largest number of connections")
	f.StringVar(&opt.build, "build", "build", "folder that holds mod_gowsgi.so")
	f.StringVar(&opt.apxs, "apxs", "apxs", "the apxs of the httpd to use")
	f.StringVar(&opt.json, "json", "", "also write every sample, median and verdict to this file")
	f.BoolVar(&opt.keep, "keep", false, "keep the working folder (configurations, logs)")
	f.BoolVar(&opt.strict, "strict", false, "exit with 1 when a target is missed")
	if err := f.Parse(args); err != nil {
		return opt, err
	}
	opt.only, opt.workloads = splitList(only), splitList(loads)
	var err error
	if opt.modes, err = findModes(splitList(keys)); err != nil {
		return opt, err
	}
	if opt.connections, err = parseCounts("-connections", conns); err != nil {
		return opt, err
	}
	if opt.processes, err = parseCounts("-processes", procs); err != nil {
		return opt, err
	}
	return opt, opt.check(f.Args())
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%w: unexpected argument %q", errUsage, rest[0])
	case o.duration < time.Second || o.duration%time.Second != 0:
		return fmt.Errorf("%w: -duration is %s; wrk takes whole seconds, at least 1s", errUsage, o.duration)
	case o.threads <= slices.Max(o.connections):
		// With all threads of a child busy, event MPM closes keep-alive connections, which a client sees as errors.
		return fmt.Errorf("%w: -threads %d must be more than the largest of -connections", errUsage, o.threads)
	case slices.ContainsFunc(o.processes, func(n int) bool { return n%processesOfGroup != 0 }):
		return fmt.Errorf("%w: -processes: each must be a multiple of %d, the processes of a group", errUsage, processesOfGroup)
	case o.rounds < 1 || o.transfers < 1 || o.children < 1 || o.threads < 1:
		return fmt.Errorf("%w: -rounds, -transfers, -children and -threads must be at least 1", errUsage)
	}
	return nil
}

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func parseCounts(flag, s string) ([]int, error) {
	var list []int
	for _, word := range splitList(s) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%w: %s: %q is not a positive number", errUsage, flag, word)
		}
		list = append(list, n)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", errUsage, flag)
	}
	return list, nil
}
