#!/bin/sh
# Unpack Debian 13's static archives of dqlite and what it needs into a prefix, without root, and print the
# environment that go needs to link them. Debian 12's own dqlite is too old for go-dqlite 2.
# usage: scripts/dqlite.sh PREFIX    (does nothing but print when PREFIX is complete)
set -eu
prefix=$1
packages="libdqlite-dev libsqlite3-dev libuv1-dev liblz4-dev libxxhash-dev"

fetch() {
	work=$(mktemp -d "$prefix.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -E '/debian/?$' | sort -u | head -n 1)
	[ -n "$mirror" ] || { echo "scripts/dqlite.sh: no Debian mirror in apt's sources; run apt-get update" >&2; exit 1; }
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/etc" "$work/debs" "$work/root"
	: >"$work/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
	set -- -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work" \
		-o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
		-o APT::Architecture=amd64 -o APT::Sandbox::User=root -o Acquire::Languages=none
	apt-get "$@" update
	(cd "$work/debs" && apt-get "$@" download $packages)
	for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/root"; done
	find "$work/root" -name '*.so*' -delete # archives only: what links here must run anywhere
	rm -rf "$prefix"
	mv "$work/root" "$prefix"
}

mkdir -p "$(dirname "$prefix")"
if [ ! -e "$prefix/usr/include/dqlite.h" ]; then
	(flock 9; [ -e "$prefix/usr/include/dqlite.h" ] || fetch >&2) 9>"$prefix.lock"
fi
lib=$prefix/usr/lib/x86_64-linux-gnu
# The archives were compiled against a newer glibc, whose strtol family has C23 names.
compat="-Wl,--defsym=__isoc23_strtol=strtol -Wl,--defsym=__isoc23_strtoull=strtoull -Wl,--defsym=__isoc23_sscanf=sscanf"
case $(ldd --version | sed -n '1s/.* //p') in 2.3[89]|2.[4-9]*) compat="" ;; esac
cat <<ENV
export CGO_ENABLED=1
export CGO_CFLAGS="-O2 -I$prefix/usr/include"
export CGO_LDFLAGS="-L$lib -Wl,--start-group -ldqlite -lsqlite3 -luv -llz4 -lxxhash -Wl,--end-group -lpthread -lm -ldl $compat"
export CGO_LDFLAGS_ALLOW="-Wl,.*"
export GOFLAGS="-tags=libsqlite3,nosqlite3,netgo,osusergo -buildvcs=false -ldflags=-extldflags=-static"
ENV
