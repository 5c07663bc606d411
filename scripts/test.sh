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
echo "== real agents lose their peer set, and it is rebuilt"
real -timeout 5m -run RebuiltByReal ./cmd/hornero-bootstrap
echo "== real Droplets in labs of their own"
real -p 1 -timeout 30m ./lab/...
echo "== two equal bakes, and Debian 9's way as far as it goes without Debian 9"
real -p 1 -run 'TestTwoBakes|TestARoleBakesForDebian9|TestMmdebstrap|TestTheBootstrapRuns' ./builder ./cmd/hornero-bootstrap
echo "== a role without a Droplet: a disk that boots, and is imported"
real -timeout 20m -v -run 'TestADiskBoots|Rootfs' ./builder
real ./builder/rootfs
echo "== one stack, from the bake to its end"
real -timeout 40m -v ./e2e/...
