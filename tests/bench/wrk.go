// This file runs wrk and reads what it prints.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// wrkResult is what one run of wrk measured.
type wrkResult struct {
	requests int64
	rate     float64 // requests/s
	p50, p99 time.Duration
	problems []string // socket errors and wrong statuses, in wrk's words
}

var errNoWrkOutput = errors.New("wrk did not print what was expected")

var (
	wrkTotal   = regexp.MustCompile(`^(\d+) requests in `)
	wrkPercent = regexp.MustCompile(`^(50|99)%\s+([0-9.]+[a-z]+)$`)
)

// parseWrk reads the output of `wrk --latency`.
func parseWrk(out string) (wrkResult, error) {
	var res wrkResult
	var err error
	seen := 0
	scanner := bufio.NewScanner(strings.NewReader(out))
	for scanner.Scan() && err == nil {
		line := strings.TrimSpace(scanner.Text())
		if m := wrkTotal.FindStringSubmatch(line); m != nil {
			res.requests, err = strconv.ParseInt(m[1], 10, 64)
			seen++
		} else if m := wrkPercent.FindStringSubmatch(line); m != nil {
			err = res.setPercentile(m[1], m[2])
			seen++
		} else if value, ok := strings.CutPrefix(line, "Requests/sec:"); ok {
			res.rate, err = strconv.ParseFloat(strings.TrimSpace(value), 64)
			seen++
		} else if strings.HasPrefix(line, "Socket errors:") || strings.HasPrefix(line, "Non-2xx") {
			res.problems = append(res.problems, line)
		}
	}
	if err != nil {
		return res, fmt.Errorf("%w: %w", errNoWrkOutput, err)
	}
	if seen != 4 {
		return res, fmt.Errorf("%w: it has %d of 4 lines (total, 50%%, 99%%, Requests/sec)", errNoWrkOutput, seen)
	}
	return res, nil
}

// setPercentile takes wrk's times as they are: 812.00us, 1.23ms, 1.02s and 1.50m are Go's notation too.
func (r *wrkResult) setPercentile(which, value string) error {
	d, err := time.ParseDuration(value)
	if which == "50" {
		r.p50 = d
	} else {
		r.p99 = d
	}
	return err
}

// runWrk loads url over a number of connections for a time.
func runWrk(ctx context.Context, wrk, url string, connections int, d time.Duration) (wrkResult, error) {
	seconds := max(1, int(d/time.Second))
	threads := min(connections, max(1, runtime.NumCPU()/2))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, wrk, "--latency", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections),
		"-d", strconv.Itoa(seconds)+"s", url)
	detach(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk %s: %w: %s", url, err, out)
	}
	return parseWrk(string(out))
}
