package bootstrap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
)

func TestACertificatesEndIsToldOfOnceForEachNotice(t *testing.T) {
	const day = 24 * time.Hour

	ends := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	told := bootstrap.ExpiryNotices(ends)

	for _, c := range []struct {
		left time.Duration
		told bool
	}{
		{left: 100 * day},
		{left: 31 * day},
		{left: 30 * day, told: true},
		{left: 30*day - time.Hour},
		{left: 20 * day},
		{left: 5 * day, told: true}, // the agent slept: the week stands for the fortnight
		{left: 4 * day},
		{left: 3 * day, told: true},
		{left: 25 * time.Hour, told: true},
		{left: time.Hour, told: true},
		{left: -time.Hour, told: true},
		{left: -2 * day},
	} {
		require.Equal(t, c.told, told(ends.Add(-c.left)), c.left)
	}
}
