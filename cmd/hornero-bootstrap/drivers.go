package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/metrics"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// drivers are the roles' Go parts by the name that a manifest gives.
func drivers(ctx context.Context) bootstrap.Drivers {
	return bootstrap.Drivers{
		roles.DriverGalera: func(env bootstrap.Env) (bootstrap.Driver, error) {
			return newGalera(ctx, env)
		},
		roles.DriverHAProxy: func(env bootstrap.Env) (bootstrap.Driver, error) {
			return newHAProxy(ctx, env)
		},
		roles.DriverArbitrator: func(env bootstrap.Env) (bootstrap.Driver, error) {
			return newArbitrator(env), nil
		},
	}
}

func newGalera(ctx context.Context, env bootstrap.Env) (bootstrap.Driver, error) {
	database, err := galera.Dial("/run/mysqld/mysqld.sock")
	if err != nil {
		return nil, err
	}

	// The certificate tells when this incarnation was made.
	certificate, err := pki.ParseCertificate(env.Node.TLS.Certificate)
	if err != nil {
		return nil, err
	}

	data := galera.DataDir{
		Path:   "/var/lib/mysql",
		Server: []string{"/usr/sbin/mariadbd"},
	}
	measure, addEvents := galeraMetrics(env.Metrics, data.Space), galeraEvents(env.Note)

	return galera.New(galera.Config{
		Node:        env.Node.Node,
		Role:        env.Node.Role,
		Arbitrators: arbitrators(env.Node),
		Issued:      certificate.NotBefore,
		Incarnation: env.Node.Incarnation,
		Founder:     env.Node.Found,
		Address:     env.Address,
		Expected:    env.Node.Expected[env.Node.Role],
		Set:         env.Set,
		Unit:        galera.Systemd{Name: "mariadb.service", NewCluster: "/run/mariadb-wsrep-new-cluster"},
		Database:    database,
		Data:        data,
		Notified:    database.Notifications(ctx, galera.NotifyFile),
		ClusterFile: "/etc/mysql/mariadb.conf.d/91-hornero-cluster.cnf",
		GrantsFile:  "/etc/mysql/hornero/grants.sql",
		Report: func(s galera.Status) {
			measure(s)
			addEvents(s)
			env.Report(galeraStatus(s))
		},
		Log: env.Log,
	}), nil
}

// arbitrators are the roles whose nodes vote in a cluster without holding data.
func arbitrators(node cloudinit.Node) []string {
	var names []string
	for role, rights := range node.Roles {
		if rights.Driver == roles.DriverArbitrator {
			names = append(names, role)
		}
	}

	slices.Sort(names)

	return names
}

func galeraStatus(s galera.Status) bootstrap.DriverStatus {
	return bootstrap.DriverStatus{
		State:   string(s.State),
		Healthy: s.Healthy,
		Reason:  s.Reason,
		Alarm:   s.Alarm,
		Facts:   s.Facts,
	}
}

func newArbitrator(env bootstrap.Env) bootstrap.Driver {
	return galera.NewArbiter(galera.ArbiterConfig{
		Role: env.Manifest.Watches[roles.DatabaseRole],
		Set:  env.Set,
		Unit: galera.Systemd{Name: "hornero-garbd.service"},
		Report: func(s galera.Status) {
			env.Report(bootstrap.DriverStatus{
				State:   string(s.State),
				Healthy: s.Healthy,
				Reason:  s.Reason,
			})
		},
		Log: env.Log,
	})
}

func newHAProxy(ctx context.Context, env bootstrap.Env) (bootstrap.Driver, error) {
	served, err := sitesBehind(env)
	if err != nil {
		return nil, err
	}

	socket := haproxy.Socket{Path: "/run/haproxy/admin.sock", Master: "/run/haproxy-master.sock"}

	return haproxy.New(haproxy.Config{
		Count:  haproxyMetrics(env.Metrics),
		File:   "/etc/haproxy/haproxy.cfg",
		Loaded: "/run/hornero/haproxy.loaded",
		Peers:  env.Set,
		Roles: haproxy.Roles{
			Database: env.Manifest.Watches[roles.DatabaseRole],
			Sites:    served,
		},
		Runtime: socket,
		Ended:   socket.Ended(ctx),
		Unit:    haproxy.Systemd{Name: "haproxy.service"},
		Report: func(s haproxy.Status) {
			env.Report(bootstrap.DriverStatus{
				State:   s.State,
				Healthy: s.Healthy,
				Reason:  s.Reason,
				Facts:   map[string]string{peerset.FactSendsTo: s.Writer},
			})
		},
		Log: env.Log,
	}), nil
}

// sitesBehind are the roles behind the backends of sites: of an edge, or of the only one that a proxy has.
func sitesBehind(env bootstrap.Env) (map[string]string, error) {
	sites, err := roles.ParseSites(env.Node.Settings[roles.SettingSites])
	if err != nil {
		return nil, err
	}

	behind := map[string]string{}

	if role := env.Manifest.Watches["site"]; role != "" {
		behind[haproxy.SiteBackend] = role
	}

	for _, site := range sites {
		for _, key := range site.Keys() {
			behind[key] = site.Role
		}
	}

	return behind, nil
}

// galeraMetrics returns what sets a database node's metrics from its status; those of its disk are asked for
// when they are read.
func galeraMetrics(m *metrics.Registry, space func() (galera.Space, error)) func(galera.Status) {
	for name, metric := range map[string]struct {
		help string
		of   func(galera.Space) int64
	}{
		"hornero_galera_disk_free_bytes": {
			help: "What the data directory's file system has left for the server.",
			of:   func(s galera.Space) int64 { return s.Free },
		},
		"hornero_galera_disk_size_bytes": {
			help: "The size of the data directory's file system.",
			of:   func(s galera.Space) int64 { return s.Total },
		},
	} {
		// The disk is asked at each scrape: no loop has to keep the values fresh.
		m.Read(name, metric.help, nil, func(set func(float64, ...string)) {
			if now, err := space(); err == nil {
				set(float64(metric.of(now)))
			}
		})
	}

	primary := m.Gauge("hornero_galera_primary",
		"1 when the server is in a primary component (wsrep_cluster_status).")
	size := m.Gauge("hornero_galera_cluster_size",
		"Nodes in the server's component (wsrep_cluster_size).")
	local := m.Gauge("hornero_galera_local_state",
		"The server's own state (wsrep_local_state): 1 joining, 2 donor, 3 joined, 4 synced; "+
			"0 when it does not answer.")

	return func(s galera.Status) {
		// A gauge keeps its last value: without this a lost primary component would show as 1.
		primary.Set(0)

		if s.Facts[galera.FactClusterStatus] == "Primary" {
			primary.Set(1)
		}

		for gauge, fact := range map[*metrics.Vec]string{
			size:  galera.FactSize,
			local: galera.FactState,
		} {
			// A server that does not answer reports no such fact: that is 0.
			value, _ := strconv.Atoi(s.Facts[fact])
			gauge.Set(float64(value))
		}
	}
}

// haproxyMetrics returns what counts a proxy's reloads and commands.
func haproxyMetrics(m *metrics.Registry) func(string) {
	counts := map[string]*metrics.Vec{
		haproxy.CountedReload: m.Counter(
			"hornero_haproxy_reloads_total",
			"Reloads of HAProxy, which only a change of its file's shape needs.",
		),
		haproxy.CountedCommand: m.Counter(
			"hornero_haproxy_commands_total",
			"Changes made through HAProxy's run-time socket.",
		),
	}

	return func(what string) { counts[what].Add(1) }
}

// galeraEvents returns what adds events from a database node's status: the ends of what others wait for.
func galeraEvents(note func(kind, text string)) func(galera.Status) {
	// A crash, or the loss of the primary component, is remembered until its end: between the two a node waits and
	// joins.
	var before, trouble galera.State
	var alarm string

	return func(s galera.Status) {
		if s.Alarm != "" && s.Alarm != alarm {
			note(peerset.EventStranger, printable(s.Alarm))
		}

		alarm = s.Alarm

		// The status comes often: only a change of state is an event.
		if s.State == before {
			return
		}

		if kind := galeraEvent(before, trouble, s.State); kind != "" {
			after := cmp.Or(before, "the start")

			// A recovery is told from its trouble on, not from the state before the last.
			if kind == peerset.EventRecovered {
				after = trouble
			}

			note(kind, printable(fmt.Sprintf("%s after %s: %s", s.State, after, s.Reason)))
		}

		before = s.State

		switch s.State {
		case galera.StateRecovering, galera.StateNonPrimary:
			trouble = s.State
		case galera.StateSynced:
			trouble = ""
		}
	}
}

// galeraEvent is the kind of event that a new state of a database node is; "" when it is none.
func galeraEvent(before, trouble, now galera.State) string {
	switch {
	case now == galera.StateSynced && before == galera.StateBootstrapping:
		return peerset.EventBootstrapped
	case now == galera.StateSynced && trouble != "":
		return peerset.EventRecovered
	case now == galera.StateSynced && before == galera.StateJoining:
		return peerset.EventSynced
	case now == galera.StateDonor:
		return peerset.EventDonor
	case now == galera.StateNonPrimary:
		return peerset.EventNonPrimary
	}

	return ""
}

// printable is a text as one line.
func printable(text string) string {
	// The peer set refuses events with line ends, which a server's words may have.
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return ' '
	}, text)
}
