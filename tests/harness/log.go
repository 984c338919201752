// This file reads httpd's error log and judges it: which lines a test may leave behind.

package harness

import (
	"fmt"
	"regexp"
	"strings"
)

// Line is one line of an error log.
type Line struct {
	Text    string // the whole line
	Module  string // who logged it; empty when the line is not httpd's format
	Level   string // "warn"; empty when the line is not httpd's format
	Message string // what follows time, process and client
}

// linePattern is httpd's default ErrorLogFormat: time, module:level, process, source file, error status, client.
var linePattern = regexp.MustCompile(
	`^\[[^\]]*\] \[([^:\]]*):([a-z0-9]+)\] \[pid [^\]]*\] (?:\S+\.c\(\d+\): )?(?:\(\d+\)[^:]*: )?(?:\[(?:client|remote) [^\]]*\] )?(.*)$`)

// ParseLine never fails: what is not httpd's format is a line without level.
func ParseLine(text string) Line {
	m := linePattern.FindStringSubmatch(text)
	if m == nil {
		return Line{Text: text, Message: text}
	}
	return Line{Text: text, Module: m[1], Level: m[2], Message: m[3]}
}

// ParseLog splits a log into lines; empty ones are dropped.
func ParseLog(text string) []Line {
	var lines []Line
	for _, one := range strings.Split(text, "\n") {
		if strings.TrimSpace(one) != "" {
			lines = append(lines, ParseLine(one))
		}
	}
	return lines
}

var harmlessLevels = map[string]bool{
	"notice": true, "info": true, "debug": true, "trace1": true, "trace2": true, "trace3": true, "trace4": true,
	"trace5": true, "trace6": true, "trace7": true, "trace8": true,
}

// Alarming tells whether a test has to declare the line: it is of level warn or above, or was not written by httpd's
// logging at all.
func (l Line) Alarming() bool { return !harmlessLevels[l.Level] }

// crashPattern is what httpd's parent says, at level notice, about a child that died of a signal, and what the supervisor says
// about a daemon process that ended otherwise than it should.
var crashPattern = regexp.MustCompile(`child pid \d+ exit signal|GWSGI090[238]: `)

// busyPattern is what httpd says once when all its threads have work: a matter of speed, not of right and wrong.
// The second kind is about children of the generation before that are still ending.
var busyPattern = regexp.MustCompile(`AH(00161|00286|00484|10159): server (reached MaxRequestWorkers|is within MinSpareThreads)|AH(00288|03490): scoreboard is full`)

// stopPattern is what the event MPM says when it is stopped (not gracefully) while a worker puts a connection back: the MPM has
// closed the worker's socket under it.
var stopPattern = regexp.MustCompile(`\(9\)Bad file descriptor: AH0309[23]: process_socket: apr_pollset_add failure`)

// declarations are what a test said about the lines of its log.
type declarations struct {
	expected []*expectation
	allowed  []*regexp.Regexp
	mayCrash bool
}

type expectation struct {
	pattern *regexp.Regexp
	seen    bool
}

func (d *declarations) expect(patterns ...string) {
	for _, p := range patterns {
		d.expected = append(d.expected, &expectation{pattern: regexp.MustCompile(p)})
	}
}

func (d *declarations) allow(patterns ...string) {
	for _, p := range patterns {
		d.allowed = append(d.allowed, regexp.MustCompile(p))
	}
}

// expectTraceback expects the traceback's last line, and allows those that come before it.
func (d *declarations) expectTraceback(last string) {
	d.expect(last)
	d.allow(
		`\] (?:GWSGI\d{4}: )?Traceback \(most recent call last\):$`,
		`\]   File "[^"]*", line \d+`,
		`\]     \S`,
		`\]     *[\^~]+$`,
	)
}

// check returns what is wrong with the log: a sentence for each line.
func (d *declarations) check(lines []Line) []string {
	var wrong []string
	for _, line := range lines {
		switch declared := d.declared(line.Text); {
		case crashPattern.MatchString(line.Text):
			if !d.mayCrash && !declared {
				wrong = append(wrong, "a process crashed: "+line.Text)
			}
		case line.Alarming() && !declared:
			wrong = append(wrong, "not declared: "+line.Text)
		}
	}
	for _, e := range d.expected {
		if !e.seen {
			wrong = append(wrong, fmt.Sprintf("expected, but never logged: %s", e.pattern))
		}
	}
	return wrong
}

// declared also remembers which expectations came true, all that match the line.
func (d *declarations) declared(text string) bool {
	found := busyPattern.MatchString(text) || stopPattern.MatchString(text)
	for _, e := range d.expected {
		if e.pattern.MatchString(text) {
			e.seen, found = true, true
		}
	}
	for _, a := range d.allowed {
		found = found || a.MatchString(text)
	}
	return found
}
