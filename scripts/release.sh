#!/bin/bash
# Make what a release publishes, in dist/, from the programs in bin/: archive, Debian package, the plugin for `packer init`, sums and a
# bill of materials. goreleaser does it (.goreleaser.yaml); tools/release pins it, and adds man pages, completions and the bill.
# usage: scripts/release.sh VERSION DQLITE_PREFIX
set -euo pipefail
cd "$(dirname "$0")/.."
export VERSION=$1
prefix=$2
work=$PWD/.cache/release

# Two builds of one commit are the same.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
RELEASE_DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
export RELEASE_DATE
umask 022

# The C libraries of the static bootstrap, by what Debian's own documents say of them: source package and version.
libraries() {
	local document
	for document in "$prefix"/usr/share/doc/*/changelog.Debian.gz; do
		zcat "$document" | sed -n '1s/^\([^ ]*\) (\([^)]*\)).*/\1 \2/p;1q'
	done
	dpkg-query -W -f '${source:Package} ${source:Version}\n' libc6-dev
}

rm -rf "$work"
mkdir -p "$work/programs" dist
libraries | sort -u >"$work/libraries"

# Plain Go: what the project itself needs to link dqlite would only break them. go keeps the goreleaser that it built.
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath"
go -C tools/release build -o "$work/programs/hornero-release" .
goreleaser=$(go -C tools/release tool -n goreleaser)
export PATH=$work/programs:$PATH

hornero-release manual -version "$VERSION" -output "$work/pages" bin/hornero
# One step at a time: else the archive has its files in the order in which they happened to be ready.
"$goreleaser" release --snapshot --clean --skip=publish,announce --parallelism 1 >"$work/log" 2>&1 </dev/null || { cat "$work/log" >&2; exit 1; }

# Only what is published: not goreleaser's own notes. `packer init` reads the sums of a plugin in a file of the plugin's.
find dist -mindepth 1 -delete
find "$work/dist" -maxdepth 1 -type f \( -name '*_*' -o -name SHA256SUMS \) -exec cp -p {} dist/ \;
grep ' packer-plugin-hornero_' dist/SHA256SUMS >"dist/packer-plugin-hornero_v${VERSION}_SHA256SUMS"
(cd dist && sha256sum --quiet --check SHA256SUMS)
touch -d "@$SOURCE_DATE_EPOCH" dist/*
ls -l dist
