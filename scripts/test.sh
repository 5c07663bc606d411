#!/bin/bash
# Prove it: format, vet, unit tests with real dqlite members; then, as root, the lab, the builder and the whole stack.
set -euo pipefail
eval "$(scripts/dqlite.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/dqlite-1.18.1")"
unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "not gofmt-ed: $unformatted" >&2; exit 1; }
go vet ./...
echo "== unit tests, and dqlite members on loopback"
HORNERO_FUZZ_SEQUENCES=100 go test -timeout 10m ./...
if [ "$(id -u)" != 0 ]; then
	echo "the lab's tests make namespaces and mounts: run make test as root" >&2
	exit 1
fi
scripts/deps.sh user-mode-linux qemu-system-x86 xorriso
real() { go test -count 1 -tags=root,libsqlite3,nosqlite3,netgo,osusergo "$@"; }
echo "== config drives, read by a kernel that has their filesystems"
real ./cloudinit
echo "== /usr read-only, the bootstrap in an empty root, and real agents: a peer set lost and rebuilt, one of two versions"
real ./internal/cgroup ./internal/guest
real -p 1 -timeout 10m -exec "$PWD/scripts/alone.sh" ./bootstrap/immutable ./cmd/hornero-bootstrap
echo "== dqlite members whose disks are full"
real -run TestWritesEnd ./bootstrap/peers
echo "== real MariaDB and garbd: an arbitrator's vote, a backup that breaks, who gives whom its state, users that change"
scripts/galera.sh TestAnArbitratorsVote TestATransferByMariabackup TestTheWriterIsNoDonor TestUsersAndMemory TestTheGroupsThreadComesFirst
echo "== real Droplets in labs of their own"
real -p 1 -timeout 30m ./lab/...
echo "== real Packer and real bakes: layers, kills, Debian 12, Debian 9 as far as it goes without it, a disk that boots"
real -p 1 -timeout 40m ./builder/...
echo "== one stack, from the bake to its end"
real -timeout 40m -v ./e2e/...
