#!/bin/bash
# Run tests of e2e/website, as root: the role web's nginx, PHP and WordPress beside a real MariaDB, without a lab and without a bake.
# Each test has a network, processes and mounts of its own, which end with it, and there are as many at a time as the machine
# has processors and one more.
# usage: scripts/website.sh [TEST...]    (all of them when none is named)
set -euo pipefail
HORNERO_WEBSITE_ROOT=$(scripts/website-root.sh)
# The role cache is not on web nodes: its server has a root of its own, a small one.
listed=$(go run ./e2e/website/packages cache)
mapfile -t packages <<<"$listed"
HORNERO_WEBSITE_CACHE_ROOT=$(scripts/debian-root.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/cache-debian-13" "${packages[@]}")
export HORNERO_WEBSITE_ROOT HORNERO_WEBSITE_CACHE_ROOT
# Who writes on the site does so in a browser, whose own machine is another.
if [[ ${WEBSITE_TAGS:-root} == *browser* ]]; then
	HORNERO_WEBSITE_BROWSER_ROOT=$(scripts/debian-root.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/browser-debian-13" chromium fonts-dejavu-core)
	export HORNERO_WEBSITE_BROWSER_ROOT
fi
work=$(mktemp -d)
mkdir "$work/programs"
trap 'rm -rf "$work"' EXIT
export HORNERO_WEBSITE_PROGRAMS="$work/programs"
CGO_ENABLED=0 go build -tags netgo,osusergo -o "$HORNERO_WEBSITE_PROGRAMS/" ./cmd/hornero-db ./cmd/hornero-media
CGO_ENABLED=0 go test -c -tags "${WEBSITE_TAGS:-root}" -o "$work/website.test" ./e2e/website
cd e2e/website
# The program knows its own tests: those of other tags are not in it.
listed=$("$work/website.test" -test.list .)
[ $# -gt 0 ] || mapfile -t tests <<<"$listed"
[ $# = 0 ] || tests=("$@")
run='ip link set lo up && mount -t tmpfs tmpfs /run && mkdir -p "$0/$1" && mount -t tmpfs tmpfs "$0/$1" &&
	TMPDIR="$0/$1" "$0/website.test" -test.v -test.run "^$1\$" -test.timeout 10m >"$0/$1.log" 2>&1 && grep -E "^(--- |    figure:)" "$0/$1.log" ||
	{ cat "$0/$1.log"; exit 255; }'
printf '%s\n' "${tests[@]}" |
	xargs -P $(($(nproc) + 1)) -I{} unshare --net --mount --pid --fork --mount-proc --kill-child sh -c "$run" "$work" {}
