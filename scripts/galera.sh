#!/bin/bash
# Run tests of bootstrap/galera with real servers, as root: each in a network of its own, so that their addresses and ports do
# not meet, and as many at a time as the machine has processors and one more: they wait most of the time.
# usage: scripts/galera.sh [TEST...]    (all of them when none is named)
set -euo pipefail
eval "$(scripts/dqlite.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/dqlite-1.18.1")"
HORNERO_MARIADB_ROOT=$(scripts/debian-root.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/mariadb-debian-13" \
	mariadb-server mariadb-backup galera-4 galera-arbitrator-4 rsync stunnel4 socat openssl)
export HORNERO_MARIADB_ROOT
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go test -c -tags realdb,libsqlite3,nosqlite3,netgo,osusergo -o "$work/galera.test" ./bootstrap/galera
cd bootstrap/galera
[ $# -gt 0 ] || mapfile -t tests < <(grep -ho '^func Test[A-Za-z]*' real_*test.go | cut -c6-)
[ $# = 0 ] || tests=("$@")
# What a test leaves running when it is cut short ends with its namespace of processes; their numbers, and the temporary files
# that are named by them, are those of other tests, too.
run='ip link set lo up && mount -t proc proc "$HORNERO_MARIADB_ROOT/proc" && mount -t tmpfs -o mode=1777 tmpfs "$HORNERO_MARIADB_ROOT/tmp" &&
	"$0/galera.test" -test.run "^$1\$" -test.timeout 10m >"$0/$1.log" 2>&1 && tail -n 1 "$0/$1.log" | sed "s/^/$1 /" || { cat "$0/$1.log"; exit 1; }'
printf '%s\n' "${tests[@]}" | xargs -P $(($(nproc) + 1)) -I{} unshare --net --mount --pid --fork --mount-proc --kill-child sh -c "$run" "$work" {}
