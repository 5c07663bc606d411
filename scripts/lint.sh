#!/bin/bash
# Hold the Go code to its form. What is wrong is printed as file:line:column.
# usage: scripts/lint.sh [page | linters | vulns]    all, unless one is named
#   page     gofmt, and the limits of tools/pagecheck: seconds
#   linters  go vet, staticcheck (staticcheck.conf) and errorlint, over all build tags: a minute, more the first time
#   vulns    govulncheck: known vulnerabilities of what is linked into the programs: a minute. It fails when there are any (3), and
#            when the database cannot be had (75). Among all, either is only told: they come with the day, not with a change
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

# The database is a Go module, whose entries govulncheck reads as they are. Always the latest: a pinned one would know less
# every day.
vulns() {
	local database program code found=0
	database=$(cd tools/lint && go mod download -json golang.org/x/vulndb@latest | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') || true

	if [ ! -d "$database/data/osv" ]; then
		echo "govulncheck: NOT asked for known vulnerabilities: the module golang.org/x/vulndb cannot be had" >&2
		return 75
	fi
	echo "govulncheck: database ${database##*@}"

	(cd tools/lint && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -o "$programs/" golang.org/x/vuln/cmd/govulncheck)
	eval "$(scripts/dqlite.sh "${XDG_CACHE_HOME:-$HOME/.cache}/hornero/dqlite-1.18.1")"

	# With their symbols, which those in bin/ are stripped of: only so does it tell what is linked from what is not.
	rm -rf "$programs/with-symbols"
	for program in cmd/*; do
		local cgo=0 tags=netgo,osusergo
		[ "$program" != cmd/hornero-bootstrap ] || { cgo=1 tags=libsqlite3,nosqlite3,netgo,osusergo,nethttpomithttp2; }
		CGO_ENABLED=$cgo go build -buildvcs=false -tags "$tags" -o "$programs/with-symbols/" "./$program"

		echo "== ${program#cmd/}"
		"$programs/govulncheck" -mode binary -db "file://$database/data/osv" "$programs/with-symbols/${program#cmd/}" ||
			{ code=$?; [ "$code:$found" = 3:1 ] || found=$code; }
	done

	return $found
}

mkdir -p "$programs"
case ${1:-all} in
	page) page ;;
	linters) linters ;;
	vulns) vulns ;;
	all)
		page
		linters
		# By itself: within a condition, a step of it that fails would be passed over.
		scripts/lint.sh vulns || case $? in
			3) echo "govulncheck: known vulnerabilities stand above: make vuln fails until they are mended" >&2 ;;
			75) ;;
			*) exit 1 ;;
		esac ;;
	*) echo "usage: scripts/lint.sh [page | linters | vulns]" >&2; exit 2 ;;
esac
