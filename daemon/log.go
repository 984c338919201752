// This file writes log lines in the format of httpd's error log, for the processes that have no httpd to do it.

package daemon

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Level is how grave a line is, or down to which level lines are logged: httpd's APLOG_ numbers.
type Level int

// The levels that have a use here; 9 to 15 are trace2 to trace8.
const (
	Emerg Level = iota
	Alert
	Crit
	Err
	Warning
	Notice
	Info
	Debug
	Trace1
)

var levelNames = [...]string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}

// String is the level's name in httpd's log.
func (l Level) String() string {
	switch {
	case l < 0:
		return levelNames[0]
	case int(l) < len(levelNames):
		return levelNames[l]
	}
	return fmt.Sprintf("trace%d", min(int(l-Debug), 8))
}

// Logger writes to one error log. Any goroutine may use it.
type Logger struct {
	fd        int
	threshold Level
}

// NewLogger returns a logger that writes lines of the threshold's level and graver ones to the descriptor fd.
func NewLogger(fd int, threshold Level) *Logger {
	return &Logger{fd: fd, threshold: threshold}
}

// Enabled tells whether lines of that level are written.
func (l *Logger) Enabled(level Level) bool {
	return level <= l.threshold
}

// Logf logs one line. Of level warn and above, it begins with a code.
func (l *Logger) Logf(level Level, format string, args ...any) {
	if l.Enabled(level) {
		l.Line(level, fmt.Sprintf(format, args...))
	}
}

// Line logs text as one line, with one write(2), so that lines of several processes do not mix.
func (l *Logger) Line(level Level, text string) {
	if !l.Enabled(level) {
		return
	}
	runtime.LockOSThread()
	tid := unix.Gettid()
	runtime.UnlockOSThread()
	// Nobody can be told when the log cannot be written.
	_, _ = unix.Write(l.fd, formatLine(time.Now(), level, os.Getpid(), tid, text))
}

// Lines logs each line of text.
func (l *Logger) Lines(level Level, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		l.Line(level, line)
	}
}

// maxLine is where httpd cuts a line, newline included.
const maxLine = 8192

// formatLine is httpd's default ErrorLogFormat.
func formatLine(now time.Time, level Level, pid, tid int, text string) []byte {
	line := fmt.Appendf(nil, "[%s] [gowsgi:%s] [pid %d:tid %d] ", now.Format("Mon Jan 02 15:04:05.000000 2006"), level, pid, tid)
	line = appendEscaped(line, text)
	return append(line[:min(len(line), maxLine-1)], '\n')
}

// appendEscaped escapes what httpd escapes in its error log, so that nobody can forge a line.
func appendEscaped(line []byte, text string) []byte {
	const controls = "\b\n\r\t\v"
	for i := 0; i < len(text); i++ {
		c := text[i]
		if at := strings.IndexByte(controls, c); at >= 0 {
			line = append(line, '\\', "bnrtv"[at])
		} else if c == '\\' {
			line = append(line, '\\', '\\')
		} else if c < ' ' || c >= 0x7f {
			line = fmt.Appendf(line, `\x%02x`, c)
		} else {
			line = append(line, c)
		}
	}
	return line
}
