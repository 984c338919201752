// This file is the messages between the supervisor and a worker. Each is one packet of text on a SOCK_SEQPACKET socket.

package daemon

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxMessage bounds a message, in bytes.
const MaxMessage = 16384

// Verb says what a message is about.
type Verb int

// The messages.
const (
	_ Verb = iota
	// Ready, worker to supervisor: it takes requests; its slot says READY already. It has the version of its Python.
	Ready
	// Retire, worker to supervisor: start a replacement, then tell me to drain. It has a reason.
	Retire
	// Relieve, worker to supervisor: I shall retire soon; start a replacement, which is to stand by.
	Relieve
	// Standby, worker to supervisor: all is loaded, and I wait for Serve.
	Standby
	// Serve, supervisor to worker: become ready.
	Serve
	// Loaded, worker to supervisor: an application was loaded for the first time; replacements load it before they are ready.
	Loaded
	// Drain, supervisor to worker: finish what runs within graceful-timeout, then exit within shutdown-timeout.
	Drain
	// Stop, supervisor to worker: httpd stops; run the exit functions and be gone in StopTimeout.
	Stop
	// Own, supervisor to worker: listen on the socket that comes with this instead of your own, which has lost its name.
	Own
	// Queue, supervisor to worker: the same, for the socket of the group's queue.
	Queue
)

var verbNames = map[Verb]string{Ready: "ready", Retire: "retire", Relieve: "relieve", Standby: "standby", Serve: "serve",
	Loaded: "loaded", Drain: "drain", Stop: "stop", Own: "own", Queue: "queue"}

func (v Verb) String() string {
	return verbNames[v]
}

// Script is an application, or a script to import, which has no callable.
type Script struct {
	Path     string
	AppGroup string // "": the main interpreter
	Callable string
}

// Message is one message.
type Message struct {
	Verb   Verb
	Reason ExitReason // of Retire
	Script Script     // of Loaded
	Python string     // of Ready: "3.13.0"
}

// ErrMessage is the error of DecodeMessage.
var ErrMessage = errors.New("not a message")

// Encode returns the packet.
func (m Message) Encode() []byte {
	switch m.Verb {
	case Ready:
		return fmt.Appendf(nil, "ready %s", m.Python)
	case Retire:
		return fmt.Appendf(nil, "retire %d", m.Reason)
	case Loaded:
		return fmt.Appendf(nil, "loaded %s\t%s\t%s", m.Script.AppGroup, m.Script.Path, m.Script.Callable)
	}
	return []byte(m.Verb.String())
}

// DecodeMessage reads a packet.
func DecodeMessage(packet []byte) (Message, error) {
	name, rest, argument := strings.Cut(string(packet), " ")
	for verb, verbName := range verbNames {
		if name != verbName {
			continue
		}
		m := Message{Verb: verb}
		if argument != (verb == Ready || verb == Retire || verb == Loaded) || !m.decodeArgument(rest) {
			return Message{}, fmt.Errorf("%w: %q", ErrMessage, packet)
		}
		return m, nil
	}
	return Message{}, fmt.Errorf("%w: %q", ErrMessage, packet)
}

func (m *Message) decodeArgument(text string) bool {
	switch m.Verb {
	case Ready:
		m.Python = text
		return text != "" && text[0] >= '0' && text[0] <= '9'
	case Retire:
		n, err := strconv.Atoi(text)
		m.Reason = ExitReason(n)
		return err == nil && m.Reason.known()
	case Loaded:
		fields := strings.Split(text, "\t")
		if len(fields) != 3 {
			return false
		}
		m.Script = Script{AppGroup: fields[0], Path: fields[1], Callable: fields[2]}
	}
	return true
}
