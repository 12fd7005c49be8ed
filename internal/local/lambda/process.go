package lambda

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one running instance of a function.
type process struct {
	id      string
	command *exec.Cmd
	output  *output
	label   string
	work    chan *invocation // handed over when the process asks for work
	ready   chan struct{}    // closed when it asks for the first time
	asked   sync.Once
	exited  chan struct{} // closed after command was waited for

	mu      sync.Mutex
	current *invocation // handed over and not answered
}

// invocation is one piece of work.
type invocation struct {
	id       string
	payload  []byte
	arn      string
	deadline time.Time
	answer   chan Result // takes one value without waiting
}

// begin makes inv the process's current work.
func (p *process) begin(inv *invocation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = inv
}

// end takes the current invocation away, if it has this id.
func (p *process) end(id string) (*invocation, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	inv := p.current
	if inv == nil || inv.id != id {
		return nil, false
	}
	p.current = nil
	return inv, true
}

func (p *process) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current != nil && !p.gone()
}

func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends the process and everything that it started, without asking.
func (p *process) kill() {
	if !p.gone() {
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // may have ended in between
	}
}

// how says in what way the process ended.
func (p *process) how() string {
	if s := p.command.ProcessState; s != nil {
		return s.String()
	}
	return "unknown"
}

// fault is the error of a process that did not come to ask for work.
func (p *process) fault(how string) error {
	if last := p.output.last(); last != "" {
		return fmt.Errorf("could not start: %s: %s", how, last)
	}
	return fmt.Errorf("could not start: %s", how)
}

// peak returns the most bytes that the process had resident so far. Linux alone tells while it runs.
func (p *process) peak() int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.command.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(after, []byte("kB"))
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(string(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

// peakAtExit returns the same after the process ended. Linux counts the memory of the process that forked
// in what it says then, so that the figure is of no use there; see peak.
func (p *process) peakAtExit() int64 {
	if runtime.GOOS == "linux" {
		return 0
	}
	usage, ok := p.command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss // bytes on macOS
}

// wait returns when the process ended and its output was relayed.
func (p *process) wait() {
	// What matters of the error is in ProcessState.
	if err := p.command.Wait(); errors.Is(err, exec.ErrWaitDelay) {
		p.kill()
	}
	p.output.flush()
}

// output relays what a process writes, a line at a time.
type output struct {
	line func(string)

	mu    sync.Mutex
	rest  []byte   // of a line without its end
	lines []string // the last few, for an error message
}

// Write takes a piece of output. It keeps at most 64 kB of a line without an end.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, b...)
	for {
		i := bytes.IndexByte(o.rest, '\n')
		if i < 0 && len(o.rest) > 64<<10 {
			i = len(o.rest) - 1
		}
		if i < 0 {
			return len(b), nil
		}
		o.emit(strings.TrimRight(string(o.rest[:i]), "\r"))
		o.rest = o.rest[i+1:]
	}
}

func (o *output) emit(line string) {
	o.line(line)
	if o.lines = append(o.lines, line); len(o.lines) > 3 {
		o.lines = o.lines[1:]
	}
}

func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.rest) > 0 {
		o.emit(string(o.rest))
		o.rest = nil
	}
}

// last returns the last lines as one.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, " | ")
}
