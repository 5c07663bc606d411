#!/bin/sh
# Hold the Go code to its form: gofmt, the page (tools/pagecheck), go vet and the linters that tools/lint pins
# (staticcheck by staticcheck.conf, errorlint). What is wrong is printed as file:line:column.
set -eu
cd "$(dirname "$0")/.."
tags=root,bench,chaos,realdb,libsqlite3,nosqlite3,netgo,osusergo
linters=$PWD/.cache/lint

unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "not gofmt-ed: $unformatted" >&2; exit 1; }

# The linters are plain Go: what the project itself needs for linking dqlite would only break them.
mkdir -p "$linters"
(cd tools/lint && CGO_ENABLED=0 go build -buildvcs=false -o "$linters/" tool)
(cd tools/pagecheck && CGO_ENABLED=0 go build -buildvcs=false -o "$linters/pagecheck" .)

"$linters/pagecheck" "$@"

eval "$(scripts/dqlite.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/dqlite-1.18.1")"
go vet -tags "$tags" ./...
"$linters/staticcheck" -tags "$tags" ./...
"$linters/go-errorlint" -tags "$tags" ./...
