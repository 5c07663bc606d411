package metrics

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process adds what every Prometheus client says of its own process, under the customary names.
func (r *Registry) Process(start time.Time) {
	read := func(name, help string, value func() (float64, bool)) {
		// A value that cannot be read is left out rather than shown as 0.
		r.Read(name, help, nil, func(set func(float64, ...string)) {
			if v, ok := value(); ok {
				set(v)
			}
		})
	}

	started := func() (float64, bool) {
		return float64(start.Unix()), true
	}

	goroutines := func() (float64, bool) {
		return float64(runtime.NumGoroutine()), true
	}

	read("process_start_time_seconds", "When the process started, in seconds since 1970.", started)
	read("process_resident_memory_bytes", "Resident memory.", resident)
	read("process_open_fds", "Open file descriptors.", descriptors)
	read("go_goroutines", "Goroutines.", goroutines)

	cpu := func(set func(float64, ...string)) {
		var usage syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
			return
		}

		used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		set(used.Seconds())
	}

	r.ReadCounter("process_cpu_seconds_total", "CPU time used, user and system.", nil, cpu)
}

// resident is the second number of /proc/self/statm, in pages (proc_pid_statm(5)).
func resident() (float64, bool) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}

	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, false
	}

	pages, err := strconv.ParseInt(fields[1], 10, 64)

	return float64(pages * int64(os.Getpagesize())), err == nil
}

func descriptors() (float64, bool) {
	entries, err := os.ReadDir("/proc/self/fd")
	return float64(len(entries)), err == nil
}
