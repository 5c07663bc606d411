#!/bin/bash
# Makes the image of role db into a database node that a script starts: MariaDB with Galera as its package brings it,
# Galera's own timers, state transfers by rsync, no TLS, and a check of the node's state for HAProxy on port 9200.
set -e
systemctl disable hornero-bootstrap.service
rm -f /etc/systemd/system/mariadb.service
touch /etc/cloud/cloud-init.disabled
find /var/lib/mysql -mindepth 1 -delete
mariadb-install-db --auth-root-authentication-method=socket --skip-test-db \
	--user=mysql --datadir=/var/lib/mysql >/dev/null

cat >/etc/mysql/mariadb.conf.d/90-script.cnf <<'END'
[mysqld]
bind-address = 0.0.0.0
skip-name-resolve
binlog_format = ROW
default_storage_engine = InnoDB
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = script
wsrep_cluster_address = gcomm://10.77.0.10,10.77.0.11
wsrep_sst_method = rsync
END

cat >/usr/local/sbin/script-node <<'END'
#!/bin/sh
name=$(cat /etc/hostname)
address=$(ip -4 -o address show eth1 | sed 's/.* inet \([0-9.]*\).*/\1/')
printf '[mysqld]\nwsrep_node_name = %s\nwsrep_node_address = %s\n' "$name" "$address" \
	>/etc/mysql/mariadb.conf.d/91-node.cnf
# For one start: /run is empty after the next boot.
if [ "$name" = script-db-1 ]; then echo _WSREP_NEW_CLUSTER=--wsrep-new-cluster >/run/mariadb-wsrep-new-cluster; fi
END

cat >/usr/local/sbin/script-database <<'END'
#!/bin/sh
if [ "$(cat /etc/hostname)" = script-db-1 ]; then
	mariadb -e "CREATE DATABASE wordpress; CREATE USER wordpress@'10.77.0.%' IDENTIFIED BY 'word'; GRANT ALL ON wordpress.* TO wordpress@'10.77.0.%'"
fi
END

cat >/usr/local/sbin/script-check <<'END'
#!/bin/sh
state=$(mariadb -N -e "SHOW STATUS LIKE 'wsrep_local_state'" 2>/dev/null | cut -f2)
if [ "$state" = 4 ]; then printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
else printf 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'; fi
END
chmod +x /usr/local/sbin/script-*

cat >/etc/systemd/system/script-node.service <<'END'
[Unit]
Before=mariadb.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/script-node
[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/script-database.service <<'END'
[Unit]
After=mariadb.service
Requires=mariadb.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/script-database
[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/script-check.socket <<'END'
[Socket]
ListenStream=9200
Accept=yes
[Install]
WantedBy=sockets.target
END
cat >/etc/systemd/system/script-check@.service <<'END'
[Service]
ExecStart=/usr/local/sbin/script-check
StandardInput=socket
StandardOutput=socket
END

systemctl daemon-reload
systemctl enable script-node.service script-database.service script-check.socket mariadb.service
sync
systemctl poweroff
