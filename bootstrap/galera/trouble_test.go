package galera_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func TestTroubleTellsWhatAFailureSpeaksOf(t *testing.T) {
	for _, c := range []struct {
		want galera.Cause
		log  string
	}{
		{
			want: galera.CauseUnknown,
			log:  "0 [Note] InnoDB: corrupt is only a word here",
		},
		{
			want: galera.CauseUnknown,
			log:  "0 [ERROR] WSREP: failed to open gcomm backend connection: 110: failed to reach primary view",
		},
		{
			want: galera.CauseUnknown,
			log:  "0 [ERROR] WSREP: Failed to read 'ready <addr>' from: wsrep_sst_rsync",
		},
		{
			want: galera.CauseData,
			log: "0 [ERROR] InnoDB: Database page corruption on disk or a failed file read of tablespace " +
				"mysql/innodb_table_stats",
		},
		{
			want: galera.CauseData,
			log:  "0 [ERROR] WSREP: Node consistency compromised, leaving cluster...",
		},
		{
			want: galera.CauseSpace,
			log: "0 [ERROR] InnoDB: preallocating 12582912 bytes for file ./ibtmp1 failed with error 28\n" +
				"0 [ERROR] Errcode: 28 \"x\"",
		},
		{
			want: galera.CauseLock,
			log: "0 [ERROR] InnoDB: Unable to lock ./ibdata1 error: 11\n" +
				"0 [ERROR] InnoDB: Plugin initialization aborted: corruption",
		},
		{
			want: galera.CauseMemory,
			log: "0 [ERROR] InnoDB: Cannot allocate memory for the buffer pool\n" +
				"0 [ERROR] Unknown/unsupported storage engine: InnoDB",
		},
		{
			want: galera.CauseAhead,
			log: "0 [ERROR] WSREP: Local state seqno (12) is greater than group seqno (10): " +
				"states diverged. Aborting",
		},
		{
			want: galera.CauseSpace,
			log: "WSREP_SST: [ERROR] rsync: write failed on \"/var/lib/mysql/ibdata1\": " +
				"No space left on device (28) (20260101 00:00)",
		},
	} {
		require.Equal(t, c.want, galera.TroubleOf(c.log).Cause, c.log)
	}

	last := galera.TroubleOf("[ERROR] one\n[ERROR] two\n[ERROR] three\n")
	require.Equal(t, "two; three", last.String())

	bearing := galera.TroubleOf("[ERROR] one\n[ERROR] no space left on device\n[ERROR] Aborting\n")
	require.Equal(t, "disk space: no space left on device", bearing.String())
}
