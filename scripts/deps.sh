#!/bin/sh
# Install what Hornero needs from Debian, and the packages named, saying so, and nothing when all is there.
set -eu
wanted="gcc gpg gpg-agent libc6-dev dpkg-dev git mmdebstrap systemd-container nftables haproxy iproute2 debian-archive-keyring zstd curl openssh-client rclone e2fsprogs xfsprogs mount qemu-utils fdisk $*"
missing=""
for package in $wanted; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "these Debian packages are missing; run as root: apt-get install$missing" >&2
	exit 1
fi
# One at a time: two that run at once would take each other's policy away.
exec 9>/run/lock/hornero-deps.lock
flock 9
echo "install from Debian:$missing" >&2
log=$(mktemp)
# A policy of "no" keeps packages from starting daemons on this machine.
policy=/usr/sbin/policy-rc.d
made=""
trap 'rm -f "$log"; [ -z "$made" ] || rm -f $policy' EXIT
if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=yes; fi
status=0
{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing; } >"$log" 2>&1 </dev/null 9>&- || status=$?
[ $status = 0 ] || { cat "$log" >&2; echo "apt-get did not install$missing; see above" >&2; exit $status; }
