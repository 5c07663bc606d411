package main

import (
	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// drivers are the roles' Go parts by the name that a manifest gives.
func drivers() bootstrap.Drivers {
	return bootstrap.Drivers{
		"galera": func(env bootstrap.Env) (bootstrap.Driver, error) {
			database, err := galera.Dial("/run/mysqld/mysqld.sock")
			if err != nil {
				return nil, err
			}
			certificate, err := pki.ParseCertificate(env.Node.TLS.Certificate)
			if err != nil {
				return nil, err
			}
			return galera.New(galera.Config{
				Node: env.Node.Node, Issued: certificate.NotBefore, Incarnation: env.Node.Incarnation, Founder: env.Node.Found, Address: env.Address, Expected: env.Node.Expected[env.Node.Role],
				Set: env.Set, Unit: galera.Systemd{Name: "mariadb.service", NewCluster: "/run/mariadb-wsrep-new-cluster"}, Database: database,
				Data:        galera.DataDir{Path: "/var/lib/mysql", Server: []string{"/usr/sbin/mariadbd"}},
				ClusterFile: "/etc/mysql/mariadb.conf.d/91-hornero-cluster.cnf", GrantsFile: "/etc/mysql/hornero/grants.sql",
				Report: func(s galera.Status) {
					env.Say(bootstrap.Word{State: string(s.State), Healthy: s.Healthy, Reason: s.Reason, Facts: s.Facts})
				},
				Log: env.Log,
			}), nil
		},
		"arbitrator": func(env bootstrap.Env) (bootstrap.Driver, error) {
			return galera.NewArbiter(galera.ArbiterConfig{
				Set: env.Set, Unit: galera.Systemd{Name: "hornero-garbd.service"},
				Report: func(s galera.Status) {
					env.Say(bootstrap.Word{State: string(s.State), Healthy: s.Healthy, Reason: s.Reason})
				},
				Log: env.Log,
			}), nil
		},
		"haproxy": func(env bootstrap.Env) (bootstrap.Driver, error) {
			return haproxy.New(haproxy.Config{
				File: "/etc/haproxy/haproxy.cfg", Loaded: "/run/hornero/haproxy.loaded", Peers: env.Set,
				Runtime: haproxy.Socket{Path: "/run/haproxy/admin.sock", Master: "/run/haproxy-master.sock"}, Unit: haproxy.Systemd{Name: "haproxy.service"},
				Report: func(s haproxy.Status) {
					env.Say(bootstrap.Word{State: s.State, Healthy: s.Healthy, Reason: s.Reason, Facts: map[string]string{peerset.FactSendsTo: s.Writer}})
				},
				Log: env.Log,
			}), nil
		},
	}
}
