//go:build root && bench

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// floor is MariaDB with Galera and nothing else, as a shell script configures it: the package's own unit and
// data directory, Galera's own timers, state transfers by rsync, no TLS. It runs on a snapshot of the role's
// image in which the bootstrap and cloud-init do not start and the configuration is written already but for the
// node's own name and address. Its first boot is its first start. Nobody has the third's address: a machine in
// its place would have another.
type floor struct {
	*stack
	image   int
	vpc     string
	servers []*server
}

const (
	floorRange = "10.77.0.0/24"
	floorFirst = 10 // the lab's first address in a VPC
)

func floorAddress(i int) string {
	return fmt.Sprintf("10.77.0.%d", floorFirst+i)
}

// floorScript runs once, as the user-data of the machine that the snapshot is taken of. A machine of the lab
// has its addresses before it boots.
var floorScript = `#!/bin/bash
set -e
systemctl disable hornero-bootstrap.service
rm -f /etc/systemd/system/mariadb.service
touch /etc/cloud/cloud-init.disabled
find /var/lib/mysql -mindepth 1 -delete
mariadb-install-db --auth-root-authentication-method=socket --skip-test-db \
	--user=mysql --datadir=/var/lib/mysql >/dev/null
cat >/etc/mysql/mariadb.conf.d/90-floor.cnf <<'END'
[mysqld]
bind-address = 0.0.0.0
skip-name-resolve
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = floor
wsrep_cluster_address = gcomm://` + floorAddress(0) + "," + floorAddress(1) + `
wsrep_sst_method = rsync
END
cat >/usr/local/sbin/floor <<'END'
#!/bin/sh
name=$(cat /etc/hostname)
address=$(ip -4 -o address show eth1 | sed 's/.* inet \([0-9.]*\).*/\1/')
printf '[mysqld]\nwsrep_node_name = %s\nwsrep_node_address = %s\n' "$name" "$address" \
	>/etc/mysql/mariadb.conf.d/91-node.cnf
# For one start: /run is empty after the next boot.
if [ "$name" = floor-1 ]; then echo _WSREP_NEW_CLUSTER=--wsrep-new-cluster >/run/mariadb-wsrep-new-cluster; fi
END
cat >/etc/systemd/system/floor.service <<'END'
[Unit]
Before=mariadb.service
[Service]
Type=oneshot
ExecStart=/bin/sh /usr/local/sbin/floor
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable floor.service mariadb.service
sync
systemctl poweroff
`

func newFloor(s *stack) *floor {
	return &floor{
		stack: s,
		image: s.configuredImage("floor", "db", floorScript),
	}
}

// configuredImage has a Droplet of a role's image run a script once, which turns it off at its end, and returns the
// snapshot that is taken of it then.
func (s *stack) configuredImage(name, role, script string) (image int) {
	s.t.Helper()

	var made struct{ Droplet droplet }
	request := map[string]any{
		"name":      name,
		"region":    "nyc3",
		"size":      "s-1vcpu-1gb",
		"image":     s.imageOf("hornero-" + role + "-"),
		"user_data": script,
	}
	s.call(http.StatusAccepted, "POST", "/v2/droplets", request, &made)

	path := dropletPath(made.Droplet.ID)
	require.Eventually(s.t, func() bool {
		var now struct{ Droplet droplet }
		s.api("GET", path, nil, &now)

		return now.Droplet.Status == "off"
	}, 3*time.Minute, 200*time.Millisecond, "the machine of %s is configured and off", name)

	title := fmt.Sprintf("%s-%d", name, made.Droplet.ID)
	snapshot := map[string]any{
		"type": "snapshot",
		"name": title,
	}
	s.call(http.StatusCreated, "POST", path+"/actions", snapshot, nil)

	require.Eventually(s.t, func() bool {
		image = s.imageOf(title)
		return image != 0
	}, 2*time.Minute, 200*time.Millisecond, "snapshot of %s", name)

	s.call(http.StatusNoContent, "DELETE", path, nil, nil)

	return image
}

// imageOf returns the newest image whose name begins like that; 0 when there is none.
func (s *stack) imageOf(name string) (newest int) {
	s.t.Helper()

	var images struct {
		Images []struct {
			ID   int
			Name string
		}
	}

	s.call(http.StatusOK, "GET", "/v2/images?private=true&per_page=200", nil, &images)

	for _, image := range images.Images {
		if strings.HasPrefix(image.Name, name) {
			newest = max(newest, image.ID)
		}
	}

	return newest
}

// create asks for Droplets and returns their numbers, in the order of their names.
func (f *floor) create(request map[string]any) (ids []int) {
	f.t.Helper()
	request["region"], request["size"], request["image"] = "nyc3", "s-1vcpu-1gb", f.image

	if f.vpc != "" {
		request["vpc_uuid"] = f.vpc
	}

	var made struct {
		Droplet  droplet
		Droplets []droplet
	}

	f.call(http.StatusAccepted, "POST", "/v2/droplets", request, &made)

	if made.Droplet.ID != 0 {
		return []int{made.Droplet.ID}
	}

	for _, d := range made.Droplets {
		ids = append(ids, d.ID)
	}

	return ids
}

func (*floor) String() string { return "floor" }

func (f *floor) three() time.Duration {
	var vpc struct{ VPC struct{ ID string } }
	request := map[string]any{
		"name":     "floor",
		"region":   "nyc3",
		"ip_range": floorRange,
	}
	f.call(http.StatusCreated, "POST", "/v2/vpcs", request, &vpc)

	f.vpc = vpc.VPC.ID
	f.servers = nil

	for _, id := range f.create(map[string]any{"names": []string{"floor-1", "floor-2", "floor-3"}}) {
		f.servers = append(f.servers, f.powered(id))
	}

	took := untilSynced(f.servers)

	for i, m := range f.servers {
		address := m.ask("select @@wsrep_node_address")
		require.Equal(f.t, floorAddress(i), address, "the addresses are as they were written before")
	}

	return took
}

func (f *floor) survivor() *server {
	return f.servers[0]
}

func (f *floor) exchange() *server {
	f.servers[2].ask("shutdown")
	f.servers[2].untilDown()
	f.remove(f.servers[2])

	f.servers[2] = f.powered(f.create(map[string]any{"name": "floor-3"})[0])

	return f.servers[2]
}

func (f *floor) remove(m *server) {
	f.t.Helper()
	f.call(http.StatusNoContent, "DELETE", dropletPath(m.id), nil, nil)
}

func (f *floor) end() {
	for _, m := range f.servers {
		f.remove(m)
	}

	require.Eventually(f.t, func() bool {
		return f.api("DELETE", "/v2/vpcs/"+f.vpc, nil, nil) == http.StatusNoContent
	}, time.Minute, 200*time.Millisecond, "the VPC goes")

	f.vpc = ""
}
