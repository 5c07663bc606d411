package loadbalancer

import (
	"fmt"
	"strings"
)

// stateColumns are the columns of version 1 of HAProxy's server state file.
const stateColumns = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight " +
	"srv_iweight " +
	"srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state " +
	"srv_agent_state " +
	"bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr " +
	"srv_agent_addr srv_agent_port"

// serverStates writes the state that targets begin with: as they are in a running HAProxy ("show servers state"), and
// down when they are new, until they have been found healthy.
func serverStates(balancer Balancer, running string) string {
	known := map[string]string{}
	for line := range strings.Lines(running) {
		fields := strings.Fields(line)

		// Only the backend "health" checks; the others follow it.
		if len(fields) > 12 && fields[1] == "health" {
			known[fields[3]+" "+fields[4]] = strings.TrimSpace(line)
		}
	}

	lines := []string{"1", stateColumns}

	for _, target := range balancer.Targets {
		// A new Droplet may have an old one's address: it is known only if its name is the same as well.
		line, ok := known[fmt.Sprintf("droplet-%d %s", target.ID, target.Address)]
		if !ok {
			// Operational state 0 is down: HAProxy sends it no request before its checks have passed.
			line = fmt.Sprintf("2 health %d droplet-%[1]d %s 0 0 1 1 0 1 0 0 6 0 0 1 - %d - 0 0 - - 0",
				target.ID, target.Address, balancer.Health.Port)
		}

		lines = append(lines, line)
	}

	return strings.Join(lines, "\n") + "\n"
}
