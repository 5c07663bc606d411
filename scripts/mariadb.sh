#!/bin/sh
# Make a Debian 13 root with the packages of the database role and the arbitrator, once, as root, and print where it is: the tests
# of bootstrap/galera run their servers in it, and the machine itself is left alone.
# usage: scripts/mariadb.sh FOLDER    (does nothing but print when FOLDER is there)
set -eu
root=$1
packages="mariadb-server mariadb-backup galera-4 galera-arbitrator-4 rsync stunnel4 socat openssl"

make_root() {
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -E '/debian/?$' | sort -u | head -n 1)
	[ -n "$mirror" ] || { echo "scripts/mariadb.sh: no Debian mirror in apt's sources; run apt-get update" >&2; exit 1; }
	work=$(mktemp -d "$root.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	# mmdebstrap keeps daemons from starting by itself. What it says is shown when it fails.
	mmdebstrap --mode=root --variant=minbase --include="$(echo "$packages" | tr ' ' ,)" --aptopt='APT::Install-Recommends "false"' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$work/root" "deb $mirror trixie main" >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; exit 1; }
	rm -rf "$work/root/var/lib/mysql" "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists"
	mkdir "$work/root/var/lib/mysql"
	mv "$work/root" "$root"
}

mkdir -p "$(dirname "$root")"
if [ ! -e "$root/usr/sbin/mariadbd" ]; then
	(flock 9; [ -e "$root/usr/sbin/mariadbd" ] || make_root >&2) 9>"$root.lock"
fi
echo "$root"
