package lock

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// Process is a run, as other runs of the same machine can tell whether it goes on. Its zero value is one of which
// nobody can tell.
type Process struct {
	Machine string // one boot of one machine, and one namespace of process numbers in it
	PID     int
	Start   string // since boot, in ticks: numbers of processes are given out again
}

// unknown is the text of a process of which nobody can tell whether it goes on.
const unknown = "-"

// Self is who runs this program.
func Self() Owner {
	by := "somebody"
	if current, err := user.Current(); err == nil {
		by = current.Username
	}

	if host, err := os.Hostname(); err == nil {
		by += "@" + host
	}

	return Owner{
		By:      by,
		Process: ProcessOf(os.Getpid()),
	}
}

// ProcessOf is a process of this machine, or the zero Process where /proc does not tell.
func ProcessOf(pid int) Process {
	machine := thisMachine()
	_, start, err := stat(pid)
	if machine == "" || err != nil {
		return Process{}
	}

	return Process{
		Machine: machine,
		PID:     pid,
		Start:   start,
	}
}

// thisMachine is empty where it cannot be told. Containers of one machine share its boot's number and not the numbers
// of their processes: one must not take the other's processes for dead.
func thisMachine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}

	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}

	const digits = 8
	sum := sha256.Sum256([]byte(string(boot) + namespace))

	return base64.RawURLEncoding.EncodeToString(sum[:])[:digits]
}

// stat reads a process' state and start, as proc(5) has them.
func stat(pid int) (state, start string, err error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", err
	}

	// The name in brackets may have spaces and brackets in it.
	_, rest, _ := strings.Cut(string(line[strings.LastIndexByte(string(line), ')')+1:]), " ")
	fields := strings.Fields(rest)

	// The third and the twenty-second of all.
	const startAt = 22 - 3
	if len(fields) <= startAt {
		return "", "", fmt.Errorf("read state of process %d: it has %d fields", pid, len(fields))
	}

	return fields[0], fields[startAt], nil
}

// Dead tells whether the process ended for sure: it was one of this machine and is there no more.
func (p Process) Dead() bool {
	if p.Machine == "" || p.Machine != thisMachine() {
		return false
	}

	// A process of another user can be seen, also where /proc hides it.
	if errors.Is(syscall.Kill(p.PID, 0), syscall.ESRCH) {
		return true
	}

	state, start, err := stat(p.PID)
	if err != nil {
		return false
	}

	// Zombies hold nothing: they only wait for their parent.
	return start != p.Start || state == "Z" || state == "X"
}

func (p Process) String() string {
	if p.Machine == "" {
		return unknown
	}

	return fmt.Sprintf("%s.%d.%s", p.Machine, p.PID, p.Start)
}

func (p *Process) set(text string) error {
	if text == unknown {
		return nil
	}

	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return fmt.Errorf("unfit process %q", text)
	}

	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return fmt.Errorf("unfit process %q", text)
	}

	*p = Process{
		Machine: parts[0],
		PID:     pid,
		Start:   parts[2],
	}

	return nil
}
