#!/bin/sh
# Make LINK point to a Packer that is recent enough: the one in PATH, or one built once from the pinned module.
# usage: scripts/packer.sh VERSION CACHE LINK
set -eu
version=$1 cache=$2 link=$3

recent() { # the first of the two versions is at least the second
	[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# Other programs are called packer, too (cracklib's): ask for the version and believe nothing else.
found=$(command -v packer || true)
if [ -n "$found" ] && have=$("$found" --version </dev/null 2>/dev/null | sed -n 's/^\(Packer v\)\{0,1\}\([0-9][0-9.]*\).*/\2/p' | head -n 1) && [ -n "$have" ] && recent "$have" "$version"; then
	ln -sfn "$found" "$link"
	exit 0
fi
if [ ! -x "$cache/packer" ]; then
	echo "build  Packer $version from its module: it is not on this machine; about two minutes on two cores, once"
	mkdir -p "$cache"
	(
		flock 9
		[ -x "$cache/packer" ] || {
			cd tools/packer
			CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags '-s -w' -o "$cache/packer.new" github.com/hashicorp/packer
			mv "$cache/packer.new" "$cache/packer"
		}
	) 9>"$cache/lock"
fi
ln -sfn "$cache/packer" "$link"
