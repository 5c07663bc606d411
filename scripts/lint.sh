#!/bin/bash
# Hold the Go code to its form. What is wrong is printed as file:line:column.
# usage: scripts/lint.sh [page | linters]    both, unless one is named
#   page     gofmt, and the limits of tools/pagecheck: seconds
#   linters  go vet, staticcheck (staticcheck.conf) and errorlint, over all build tags: a minute, more the first time
set -euo pipefail
cd "$(dirname "$0")/.."
tags=root,bench,chaos,takeover,realdb,libsqlite3,nosqlite3,netgo,osusergo
programs=$PWD/.cache/lint

page() {
	local unformatted
	unformatted=$(gofmt -l $(git ls-files '*.go'))
	[ -z "$unformatted" ] || { echo "not gofmt-ed: $unformatted" >&2; return 1; }
	CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -o "$programs/pagecheck" ./tools/pagecheck
	"$programs/pagecheck"
}

linters() {
	# They are plain Go: what the project itself needs to link dqlite would only break them.
	(cd tools/lint && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -o "$programs/" tool)
	eval "$(scripts/dqlite.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/dqlite-1.18.1")"
	go vet -tags "$tags" ./...
	"$programs/staticcheck" -tags "$tags" ./...
	"$programs/go-errorlint" -tags "$tags" ./...
}

mkdir -p "$programs"
case ${1:-all} in
	page) page ;;
	linters) linters ;;
	all) page; linters ;;
	*) echo "usage: scripts/lint.sh [page | linters]" >&2; exit 2 ;;
esac
