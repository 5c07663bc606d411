#!/bin/bash
# Run the bench of e2e/edge, as root: HAProxy with the role's own configuration, and by hand, and nginx by hand, in a Debian
# root over an overlay, with a network, processes and mounts of their own, which end with the run. EDGE_ROUNDS says how often.
# usage: EDGE_ROUNDS=9 scripts/bench-edge.sh
set -euo pipefail
listed=$(go run ./e2e/website/packages edge)
mapfile -t packages <<<"$listed"
root=$(scripts/debian-root.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/edge-debian-13" "${packages[@]}" nginx-light nghttp2-client)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go test -c -tags root,bench -o "$work/edge.test" ./e2e/edge
mkdir "$work/over"
run='ip link set lo up
	mount -t tmpfs tmpfs "$1/over"
	mkdir "$1/over/upper" "$1/over/work" "$1/over/root"
	root=$1/over/root
	mount -t overlay overlay -o "lowerdir=$0,upperdir=$1/over/upper,workdir=$1/over/work" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	mkdir "$root/run/haproxy" "$root/bench"
	cp -R e2e/edge/testdata "$1/edge.test" "$root/bench"
	exec chroot "$root" env -C /bench PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/tmp \
		./edge.test -test.v -test.run TestFigures -test.timeout 30m'
unshare --net --mount --pid --fork --kill-child sh -eu -c "$run" "$root" "$work" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
sed -n 's/^.*figure: //p' "$work/log"
