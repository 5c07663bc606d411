package galera_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

// systemctl puts a program of that name in front of all others.
func systemctl(t *testing.T, script string) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(
		filepath.Join(dir, "systemctl"),
		[]byte("#!/bin/sh\n"+script),
		0o755,
	))

	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestNothingOfAnInterruptedBootstrapIsThereForAMembersStart(t *testing.T) {
	dir := t.TempDir()
	file, log := filepath.Join(dir, "new-cluster"), filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(
		file,
		[]byte("_WSREP_NEW_CLUSTER=--wsrep-new-cluster\n"),
		0o644,
	))

	systemctl(t, `echo "$@" >> `+log)
	require.NoError(t, galera.Systemd{Name: "mariadb.service", NewCluster: file}.Start(t.Context()))
	require.NoFileExists(t, file)

	asked, err := os.ReadFile(log)
	require.NoError(t, err)

	require.Equal(t,
		"unset-environment _WSREP_NEW_CLUSTER\nstart --no-block mariadb.service\n",
		string(asked),
	)
}

func TestSystemdIsNotWaitedForLong(t *testing.T) {
	systemctl(t, "exec sleep 60")
	began := time.Now()
	_, err := galera.Systemd{Name: "mariadb.service"}.State(t.Context())
	require.ErrorContains(t, err, "systemd did not answer")
	require.Less(t, time.Since(began), 10*time.Second)
}
