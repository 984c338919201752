// This file starts and stops what serves a contender: its front server and, for some, a process behind it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
)

// probe is what every server answers: the URL, and the script behind it.
const probe = "hello"

// child is a process that the benchmark started; done is closed when it has ended.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// server is a running contender.
type server struct {
	contender
	site     site
	children []*child // further processes first, the front server last
}

// detach keeps the terminal's Ctrl-C from a process (we end it ourselves), and ends it when we die.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// startServer returns when it answers; then the caller must stop it. configure may change its site.
func startServer(ctx context.Context, s *workspace, t tools, c contender, configure func(*site)) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	v, err := s.siteOf(c, t, port)
	if err != nil {
		return nil, err
	}
	configure(&v)
	srv := &server{contender: c, site: v}
	if err := srv.prepare(); err != nil {
		return nil, err
	}
	if err := srv.launch(ctx); err != nil {
		srv.stop()
		return nil, fmt.Errorf("%w%s", err, srv.logTail())
	}
	return srv, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// prepare makes the folder of this server anew and writes its configuration.
func (s *server) prepare() error {
	if err := os.RemoveAll(s.site.Dir); err != nil {
		return err
	}
	run := filepath.Join(s.site.Dir, "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return err
	}
	if err := giveTo(run, s.site.User); err != nil {
		return err
	}
	text, err := s.configuration()
	if err != nil {
		return err
	}
	return os.WriteFile(s.file(s.front.name+".conf"), []byte(text), 0o644)
}

// configuration is the text of the front server's file.
func (s *server) configuration() (string, error) {
	lines, err := expand(s.config, s.site)
	if err != nil {
		return "", err
	}
	v := s.site
	v.Lines = lines
	return expand(s.front.config, v)
}

func (s *server) file(name string) string { return filepath.Join(s.site.Dir, name) }

// giveTo lets the children's user make sockets in a folder.
func giveTo(dir, name string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return errors.Join(err1, err2, os.Chown(dir, uid, gid))
}

func (s *server) launch(ctx context.Context) error {
	if s.extra != nil {
		if err := s.start("extra.log", s.extra); err != nil {
			return err
		}
	}
	if err := s.start(s.front.name+".log", s.front.command); err != nil {
		return err
	}
	return s.awaitAnswer(ctx)
}

// start runs a program with a small, fixed environment, so that no Python of the caller's PATH gets in. Each argument is a
// template.
func (s *server) start(logName string, templates []string) error {
	args := make([]string, len(templates))
	for i, text := range templates {
		var err error
		if args[i], err = expand(text, s.site); err != nil {
			return err
		}
	}
	log, err := os.Create(s.file(logName))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.site.Dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	s.children = append(s.children, c)
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(c.done)
	}()
	return nil
}

func (s *server) url(key string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/%s", s.site.Port, key)
}

// awaitAnswer polls until hello is answered rightly.
func (s *server) awaitAnswer(ctx context.Context) error {
	deadline := time.Now().Add(s.site.StartWithin)
	for {
		err := s.verify(ctx, probe, isHello)
		if err == nil {
			return nil
		}
		for _, c := range s.children {
			select {
			case <-c.done:
				return fmt.Errorf("%s ended at its start", c.cmd.Path)
			case <-ctx.Done():
				return ctx.Err()
			default:
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no right answer within %s: %w", s.site.StartWithin, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// verify asks once and checks the answer.
func (s *server) verify(ctx context.Context, key string, check func([]byte) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(key), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /%s: %s", key, resp.Status)
	}
	return check(body)
}

// stop ends the front server, then what is behind it, then what they left: by pid, and only processes of their tree.
func (s *server) stop() {
	http.DefaultClient.CloseIdleConnections()
	left := s.processes()
	for i := len(s.children) - 1; i >= 0; i-- {
		c := s.children[i]
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		select {
		case <-c.done:
		case <-time.After(stopWithin):
			fmt.Fprintf(os.Stderr, "bench: %s: %s did not end within %s; killing it\n", s.key, c.cmd.Path, stopWithin)
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	}
	for _, p := range left {
		if p.alive() {
			fmt.Fprintf(os.Stderr, "bench: %s: process %d outlived its server; killing it\n", s.key, p.pid)
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	s.children = nil
}

// logTail is the end of the logs, for an error message.
func (s *server) logTail() string {
	var out strings.Builder
	for _, name := range []string{"error.log", s.front.name + ".log", "extra.log"} {
		data, err := os.ReadFile(s.file(name))
		if err != nil || len(data) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		for _, line := range lines[max(0, len(lines)-8):] {
			fmt.Fprintf(&out, "\n    %s: %s", name, line)
		}
	}
	return out.String()
}
