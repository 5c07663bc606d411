package galera_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func TestTroubleTellsWhatAFailureSpeaksOf(t *testing.T) {
	for log, want := range map[string]galera.Cause{
		"0 [Note] InnoDB: corrupt is only a " +
			"word here": galera.CauseUnknown,
		"0 [ERROR] WSREP: failed to open gcomm backend connection: 110: failed to reach " +
			"primary view": galera.CauseUnknown,
		"0 [ERROR] WSREP: Failed to read 'ready <addr>' from: " +
			"wsrep_sst_rsync": galera.CauseUnknown,
		"0 [ERROR] InnoDB: Database page corruption on disk or a failed file read of tablespace " +
			"mysql/innodb_table_stats": galera.CauseData,
		"0 [ERROR] WSREP: Node consistency compromised, leaving " +
			"cluster...": galera.CauseData,
		"0 [ERROR] InnoDB: preallocating 12582912 bytes for file ./ibtmp1 failed with error 28\n0 [ERROR] " +
			"Errcode: 28 \"x\"": galera.CauseSpace,
		"0 [ERROR] InnoDB: Unable to lock ./ibdata1 error: 11\n0 [ERROR] InnoDB: Plugin initialization aborted: " +
			"corruption": galera.CauseLock,
		"0 [ERROR] InnoDB: Cannot allocate memory for the buffer pool\n0 [ERROR] Unknown/unsupported storage " +
			"engine: InnoDB": galera.CauseMemory,
		"0 [ERROR] WSREP: Local state seqno (12) is greater than group seqno (10): states " +
			"diverged. Aborting": galera.CauseAhead,
		"WSREP_SST: [ERROR] rsync: write failed on \"/var/lib/mysql/ibdata1\": No space left on device (28) " +
			"(20260101 00:00)": galera.CauseSpace,
	} {
		require.Equal(t, want, galera.TroubleOf(log).Cause, log)
	}

	require.Equal(t,
		"two; three",
		galera.TroubleOf("[ERROR] one\n[ERROR] two\n[ERROR] three\n").String(),
	)

	require.Equal(t,
		"disk space: no space left on device",
		galera.TroubleOf("[ERROR] one\n[ERROR] no space left on device\n[ERROR] Aborting\n").String(),
	)
}
