package worker

import (
	"time"

	"github.com/mod-gowsgi/mod_gowsgi/daemon"
)

// Defect has a goroutine panic that decides what becomes of a process, one without a control socket.
func Defect() {
	w := &worker{
		config: &daemon.Worker{Group: &daemon.Group{Name: "blog"}},
		log:    daemon.NewLogger(2, daemon.Warning),
		watch:  newWatch(),
	}
	go w.guarded(w.serve)
	time.Sleep(time.Hour)
}
