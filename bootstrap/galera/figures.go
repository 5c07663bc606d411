package galera

import "github.com/hornero/hornero/internal/status"

// Figures are what the driver measures of its server.
func (d *Driver) Figures() status.Figures {
	d.mu.Lock()
	defer d.mu.Unlock()

	return status.Figures{
		Transfer:          d.transfer,
		PausedNanoseconds: d.local.Wsrep.Paused,
		PausesAsked:       d.local.Wsrep.PausesAsked,
	}
}

// noteTransfer keeps how far a state transfer has come; "" when there is none.
func (d *Driver) noteTransfer(progress string) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.transfer = progress
}
