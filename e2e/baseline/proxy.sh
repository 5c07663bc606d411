#!/bin/bash
# Makes the image of role proxy into a proxy that a script starts: the first database node takes everything, the others
# stand by.
set -e
systemctl disable hornero-bootstrap.service
touch /etc/cloud/cloud-init.disabled

cat >/etc/haproxy/script.cfg <<'END'
global
    maxconn 2000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen database
    bind :3306
    option httpchk
    default-server port 9200 inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
    server db-1 10.77.0.10:3306 check
    server db-2 10.77.0.11:3306 check backup
    server db-3 10.77.0.12:3306 check backup
END

cat >/etc/systemd/system/script-proxy.service <<'END'
[Service]
ExecStart=/usr/sbin/haproxy -W -db -f /etc/haproxy/script.cfg
[Install]
WantedBy=multi-user.target
END

systemctl daemon-reload
systemctl enable script-proxy.service
sync
systemctl poweroff
