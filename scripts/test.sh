#!/bin/bash
# Prove it: the form of the code, unit tests with real dqlite members; then, as root, the lab, the builder and the whole stack.
# The parts run one by one, because most of them measure times, and the first that fails ends the run. What only has to
# be compiled for later parts is compiled beside the unit tests, which wait a lot, with what they leave of the processors.
# At the end, also of a run that fails, a table has the time of each part. Each part's output is kept in .cache/test.
set -euo pipefail
eval "$(scripts/dqlite.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/dqlite-1.18.1")"
. scripts/parts.sh

root_tags=root,libsqlite3,nosqlite3,netgo,osusergo
real() { go test -count 1 -tags="$root_tags" "$@"; }

# What the compiler makes stays in go's cache; the programs themselves are made again by go test, which is quick then.
lint_and_compile() {
	scripts/lint.sh linters
	go test -c -tags "$root_tags" -o .cache/test/programs/ ./cloudinit ./internal/cgroup ./internal/guest \
		./bootstrap/immutable ./bootstrap/peers ./cmd/hornero-bootstrap ./lab/... ./builder/... ./e2e
	rm -rf .cache/test/programs
}
# The whole stack from nothing, whatever `make e2e KEEP=1` has left.
whole_stack() { E2E_RUN='' E2E_LIST='' E2E_KEEP='' E2E_FRESH=1 E2E_RENAMED='' real -timeout 50m -v ./e2e; }

part "the page: gofmt and pagecheck" scripts/lint.sh page
beside "linters, and the programs of the later parts" lint_and_compile
part "unit tests, and dqlite members on loopback" env HORNERO_FUZZ_SEQUENCES=100 go test -timeout 20m ./...
joined
if [ "$(id -u)" != 0 ]; then
	echo "the lab's tests make namespaces and mounts: run make test as root" >&2
	exit 1
fi
scripts/deps.sh user-mode-linux qemu-system-x86 xorriso
part "config drives, read by a kernel that has their filesystems" real ./cloudinit
part "processes held together, programs run inside of a system" real ./internal/cgroup ./internal/guest
part "/usr read-only, and real agents: a peer set lost and rebuilt, one of two versions" \
	real -p 1 -timeout 10m -exec "$PWD/scripts/alone.sh" ./bootstrap/immutable ./cmd/hornero-bootstrap
part "dqlite members whose disks are full" real -run TestWritesEnd ./bootstrap/peers
part "real MariaDB and garbd: a vote, a backup that breaks, donors, users that change" \
	scripts/galera.sh TestAnArbitratorsVote TestATransferByMariabackup TestTheWriterIsNoDonor TestUsersAndMemory TestTheGroupsThreadComesFirst
part "the site of a web node: nginx, PHP and WordPress beside a real database" scripts/website.sh
part "real Droplets in labs of their own" real -p 1 -timeout 30m ./lab/...
part "real Packer and real bakes: layers, kills, other releases, a disk that boots" real -p 1 -timeout 40m ./builder/...
part "one stack, from the bake to its end" whole_stack
