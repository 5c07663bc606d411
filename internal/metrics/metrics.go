// Package metrics owns what a program counts, and Prometheus' text format for it (version 0.0.4,
// https://prometheus.io/docs/instrumenting/exposition_formats/). It is our own because the public client brings
// protobuf, 2.7 MB, into every node's bootstrap; the tests read what it writes with that client's parser. It
// knows nobody's metrics.
package metrics

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ContentType is what a server says of the text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kinds of metrics.
const (
	counter = "counter"
	gauge   = "gauge"
)

// Registry is a program's metrics. The zero value has none. All methods may be called at any time, by anybody.
type Registry struct {
	mu       sync.Mutex
	families map[string]*Vec
}

// Vec is a metric, one value for each set of its labels' values.
type Vec struct {
	name, help, kind string
	labels           []string
	read             func(set func(value float64, values ...string)) // nil: values are what was set and added

	mu     sync.Mutex
	values map[string]float64 // by the labels as they are written
}

// Counter adds what only ever grows, from zero. A name that is there already is the same metric.
func (r *Registry) Counter(name, help string, labels ...string) *Vec {
	return r.add(&Vec{
		name:   name,
		help:   help,
		kind:   counter,
		labels: labels,
	})
}

// Gauge adds what may go up and down.
func (r *Registry) Gauge(name, help string, labels ...string) *Vec {
	return r.add(&Vec{
		name:   name,
		help:   help,
		kind:   gauge,
		labels: labels,
	})
}

// Read adds a gauge whose values are asked for when somebody looks.
func (r *Registry) Read(name, help string, labels []string, read func(set func(value float64, values ...string))) {
	r.add(&Vec{
		name:   name,
		help:   help,
		kind:   gauge,
		labels: labels,
		read:   read,
	})
}

// ReadCounter is Read for what only ever grows.
func (r *Registry) ReadCounter(
	name, help string,
	labels []string,
	read func(set func(value float64, values ...string)),
) {
	r.add(&Vec{
		name:   name,
		help:   help,
		kind:   counter,
		labels: labels,
		read:   read,
	})
}

func (r *Registry) add(v *Vec) *Vec {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.families == nil {
		r.families = map[string]*Vec{}
	}

	if was, there := r.families[v.name]; there {
		return was
	}

	// A counter that was never added to shows 0: rate() needs a first value.
	v.values = map[string]float64{}
	if len(v.labels) == 0 && v.read == nil {
		v.values[""] = 0
	}

	r.families[v.name] = v

	return v
}

// Add adds to the value with these labels' values, in the order of the labels.
func (v *Vec) Add(delta float64, values ...string) {
	key := v.key(values)
	v.mu.Lock()
	defer v.mu.Unlock()

	v.values[key] += delta
}

// Set sets the value with these labels' values.
func (v *Vec) Set(value float64, values ...string) {
	key := v.key(values)
	v.mu.Lock()
	defer v.mu.Unlock()

	v.values[key] = value
}

var (
	escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// key writes the labels as the text has them. A value too few is empty, one too many is a mistake of the caller's.
func (v *Vec) key(values []string) string {
	if len(v.labels) == 0 {
		return ""
	}

	pairs := make([]string, len(v.labels))

	for at, label := range v.labels {
		value := ""
		if at < len(values) {
			// The text format is UTF-8; one bad label would make the whole answer unreadable.
			value = strings.ToValidUTF8(values[at], "?")
		}

		pairs[at] = label + `="` + escapeLabel.Replace(value) + `"`
	}

	return "{" + strings.Join(pairs, ",") + "}"
}

// Write writes all metrics, sorted by name.
func (r *Registry) Write(w io.Writer) error {
	r.mu.Lock()
	families := make([]*Vec, 0, len(r.families))
	for _, v := range r.families {
		families = append(families, v)
	}

	r.mu.Unlock()
	slices.SortFunc(families, func(a, b *Vec) int {
		return cmp.Compare(a.name, b.name)
	})

	// Not under the lock: a client that reads slowly would hold up whoever counts.
	out := bufio.NewWriter(w)

	for _, v := range families {
		v.write(out)
	}

	return out.Flush()
}

func (v *Vec) write(out *bufio.Writer) {
	// A metric without values would be a HELP line that tells nothing.
	values := v.now()
	if len(values) == 0 {
		return
	}

	fmt.Fprintf(out,
		"# HELP %s %s\n# TYPE %s %s\n",
		v.name,
		escapeHelp.Replace(v.help),
		v.name,
		v.kind,
	)

	// In order, so that two answers can be compared.
	keys := make([]string, 0, len(values))

	for key := range values {
		keys = append(keys, key)
	}

	slices.Sort(keys)

	for _, key := range keys {
		fmt.Fprintf(out, "%s%s %s\n", v.name, key, strconv.FormatFloat(values[key], 'g', -1, 64))
	}
}

func (v *Vec) now() map[string]float64 {
	values := map[string]float64{}
	if v.read != nil {
		// The lock guards only what was set and added.
		v.read(func(value float64, labels ...string) {
			values[v.key(labels)] = value
		})

		return values
	}

	v.mu.Lock()
	defer v.mu.Unlock()

	for key, value := range v.values {
		values[key] = value
	}

	return values
}

// Names returns the names of all metrics, sorted.
func (r *Registry) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	var names []string

	for name := range r.families {
		names = append(names, name)
	}

	slices.Sort(names)

	return names
}
