#!/bin/sh
# Takes out of this machine everything that is its own, so that two Droplets of one image have nothing in common but the
# image. The session that runs this goes on; nobody can log in after it.
set -eu

echo "== sealing"

# What would write again on the way down: the journal, the random seed.
mkdir -p /run/systemd/journald.conf.d /run/systemd/system/systemd-random-seed.service.d
printf '[Journal]\nStorage=none\n' >/run/systemd/journald.conf.d/zz-seal.conf
printf '[Service]\nExecStop=\n' >/run/systemd/system/systemd-random-seed.service.d/zz-seal.conf
systemctl daemon-reload
systemctl restart systemd-journald.service || true

# Identity: SSH host keys, who may log in, machine id, seeds and credentials.
rm -f /etc/ssh/ssh_host_* /root/.bash_history /root/.wget-hsts /home/*/.bash_history
rm -rf /root/.ssh /home/*/.ssh /root/.cache /root/.local
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/urandom/random-seed
rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
rm -f /etc/iscsi/initiatorname.iscsi /var/lib/dhcp/* /var/lib/NetworkManager/* /etc/udev/rules.d/70-persistent-net.rules
rm -rf /etc/hornero/node.yaml /var/lib/hornero
if mountpoint -q /etc/machine-id; then umount /etc/machine-id; fi
# Empty, not absent: an absent one makes the next boot a "first boot", which enables every unit.
: >/etc/machine-id
if [ ! -L /var/lib/dbus/machine-id ]; then rm -f /var/lib/dbus/machine-id; fi
rm -f /etc/hostname
sed -i '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts # the line for this Droplet's own name; the rest may be the role's

# cloud-init: its memory of this Droplet, and what it wrote for it.
rm -rf /var/lib/cloud/* /run/cloud-init/sem
rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* /etc/systemd/network/10-cloud-init-*
rm -f /etc/sudoers.d/90-cloud-init-users /etc/ssh/sshd_config.d/50-cloud-init.conf /etc/apt/apt.conf.d/90cloud-init*
sed -i '/^HostCertificate /d' /etc/ssh/sshd_config

# ldconfig's own cache holds inode numbers and times: no two bakes have the same, and nothing needs it.
rm -f /var/cache/ldconfig/aux-cache

# What grows: package lists and archives, logs, login records, temporary files.
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/cache/debconf/*-old /var/lib/dpkg/*-old
find /var/log -type f -delete
rm -rf /var/log/journal/* /var/lib/wtmpdb/* /var/lib/lastlog/* /var/tmp/* /var/tmp/.[!.]* /var/crash/*
find /tmp -mindepth 1 -xdev -delete 2>/dev/null || true
rm -f /core /root/core
sync
