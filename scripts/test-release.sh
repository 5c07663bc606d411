#!/bin/bash
# Prove what scripts/release.sh made in dist/, as root: names and sums; the plugin, by Packer; the package, in an empty Debian 12 that is
# made for it and goes again. BAKE=ROLE bakes that role from there in a lab of its own; without it nothing is baked.
# usage: scripts/test-release.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
role=${BAKE:-}
package=dist/hornero_${version}_amd64.deb
plugin=packer-plugin-hornero_v${version}_x5.0_linux_amd64
lab=release$$
work=$(mktemp -d)
root=$work/root

clean_up() {
	[ ! -e "$work/lab" ] || LAB=$lab bin/hornero lab reset --yes >/dev/null || true
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT

fail() {
	echo "scripts/test-release.sh: $*" >&2
	exit 1
}

# Small programs are released, and everything that is said of them is compared with them.
test_names() {
	CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath" go -C tools/release test ./...
	(cd dist && sha256sum --check SHA256SUMS "packer-plugin-hornero_v${version}_SHA256SUMS")
}

# Packer takes the plugin out of the zip by its name, asks it for its version, and keeps it under that name.
test_plugin() {
	unzip -q -d "$work" "dist/$plugin.zip"
	export PACKER_PLUGIN_PATH=$work/plugins CHECKPOINT_DISABLE=1
	.cache/packer plugins install --path "$work/$plugin" github.com/hornero/hornero
	[ "$(.cache/packer plugins installed)" = "$PACKER_PLUGIN_PATH/github.com/hornero/hornero/$plugin" ] ||
		fail "Packer keeps the plugin under another name: $(.cache/packer plugins installed)"
}

# inside COMMAND...: in the root, with its own processes and no network.
inside() {
	unshare --mount --pid --net --fork --kill-child sh -c '
		mount -t proc proc "$1/proc"
		root=$1
		shift
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
	' sh "$root" "$@"
}

test_package() {
	echo "make an empty Debian 12: minbase, ca-certificates, and what reads man pages and completions"
	mmdebstrap --quiet --mode=root --variant=minbase --include=ca-certificates,man-db,bash-completion,zsh,fish bookworm "$root"
	cp "$package" packaging/check-installed.sh "$root/tmp/"
	inside dpkg --install "/tmp/${package#dist/}"
	inside /tmp/check-installed.sh "$version"
}

# The lab runs on this computer, and the installed hornero finds it as any does: by its folder, and on loopback.
test_bake() {
	echo "bake $role from the root, in lab $lab"
	install -m 0755 .cache/packer "$root/usr/local/bin/packer"
	cp /etc/resolv.conf "$root/etc/"
	mkdir -p "$root/var/lib/hornero"
	touch "$work/lab"
	LAB=$lab bin/hornero lab start

	unshare --mount sh -c '
		for folder in proc sys dev run var/lib/hornero; do mount --rbind "/$folder" "$1/$folder"; done
		exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 CLOUD=lab LAB="$3" chroot "$1" \
			sh -c "cd /srv/stack && hornero images bake $2 && hornero images list | grep -w $2"
	' sh "$root" "$role" "$lab" || fail "the bake from the root did not leave an image of role $role"
}

test_removal() {
	local left
	inside dpkg --remove hornero
	left=$(find "$root/usr" -path '*hornero*' ! -path "$root/usr/local/*")
	[ -z "$left" ] || fail "removing the package leaves $left"
}

scripts/deps.sh unzip
test_names
test_plugin
test_package
[ -z "$role" ] || test_bake
test_removal
echo "the release of $version is as it should be"
