package builder

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// What a build makes in the cloud bears buildTag and a tag that tells whose it is, so that what a dead build
// left can be told from what a living one uses.
const buildTag = "hornero-build"

// owner is the process that a build belongs to.
type owner struct {
	host  string // digest of boot, host name and pid namespace: where pid means something
	pid   int
	start string // the process' start in clock ticks since boot: pids come back
	since time.Time
	nonce string
}

// thisProcess names this process, anew for each build in it.
func thisProcess() owner {
	now := time.Now()
	return owner{
		host:  thisHost(),
		pid:   os.Getpid(),
		start: startOf(os.Getpid()),
		since: now,
		nonce: strconv.FormatInt(now.UnixNano()%1e9, 36),
	}
}

func thisHost() string {
	// Any of the three may be unreadable; the others still tell most machines apart.
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	name, _ := os.Hostname()
	space, _ := os.Readlink("/proc/self/ns/pid")

	return fmt.Sprintf("%x", sha256.Sum256([]byte(string(boot)+name+space)))[:12]
}

// startOf reads field 22 of /proc/PID/stat (proc(5)), counted behind the command name, which may hold spaces. A
// process that has ended and is only not yet waited for (state Z) has none.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}

	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const startTime = 22 - 3
	if len(fields) <= startTime || fields[0] == "Z" {
		return ""
	}

	return fields[startTime]
}

// tag is the owner as a tag and as a key's name.
func (o owner) tag() string {
	return fmt.Sprintf(
		"%s:%s-%d-%s-%d-%s",
		buildTag,
		o.host,
		o.pid,
		o.start,
		o.since.Unix(),
		o.nonce,
	)
}

// ownerOf reads what tag wrote.
func ownerOf(tag string) (owner, bool) {
	// People may put tags of the same beginning on things of their own; those are never swept.
	text, ok := strings.CutPrefix(tag, buildTag+":")
	parts := strings.Split(text, "-")
	if !ok || len(parts) != 5 {
		return owner{}, false
	}

	pid, err := strconv.Atoi(parts[1])
	if err != nil {
		return owner{}, false
	}

	seconds, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return owner{}, false
	}

	return owner{
		host:  parts[0],
		pid:   pid,
		start: parts[2],
		since: time.Unix(seconds, 0),
		nonce: parts[4],
	}, true
}

// dead tells whether the owner's build has ended without cleaning up: at once for processes of this host, by
// age for others.
func (o owner) dead(age time.Duration) bool {
	// The start tells a new process under an old number.
	if o.host == thisHost() {
		return startOf(o.pid) != o.start
	}

	return time.Since(o.since) > age
}
