#!/bin/sh
# Make a Debian 13 root with packages, once, as root, and print where it is: tests run real servers in it, and the machine itself
# is left alone. Whoever writes into it does so through an overlay.
# usage: scripts/debian-root.sh FOLDER PACKAGE...    (made anew when it was made with other packages)
set -eu
root=$1
shift
packages=$(echo "$*" | tr ' ' ,)

make_root() {
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -E '/debian/?$' | sort -u | head -n 1)
	[ -n "$mirror" ] || { echo "scripts/debian-root.sh: no Debian mirror in apt's sources; run apt-get update" >&2; exit 1; }
	work=$(mktemp -d "$root.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	# mmdebstrap keeps daemons from starting by itself. What it says is shown when it fails.
	mmdebstrap --mode=root --variant=minbase --include="$packages" --aptopt='APT::Install-Recommends "false"' \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$work/root" "deb $mirror trixie main" >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; exit 1; }
	rm -rf "$work/root/var/lib/mysql" "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists"
	mkdir "$work/root/var/lib/mysql"
	echo "$packages" >"$work/root/etc/hornero-test-root"
	rm -rf "$root"
	mv "$work/root" "$root"
}

made() { [ "$(cat "$root/etc/hornero-test-root" 2>/dev/null)" = "$packages" ]; }

mkdir -p "$(dirname "$root")"
if ! made; then
	(flock 9; made || make_root >&2) 9>"$root.lock"
fi
echo "$root"
