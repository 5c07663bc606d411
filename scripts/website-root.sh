#!/bin/bash
# Make the root that tests of e2e/website run in, once, and print where it is: a Debian with the packages that the role web and
# its pieces name for it, and a database. A user's own root, HORNERO_WEBSITE_ROOT, goes before.
set -euo pipefail
listed=$(go run ./e2e/website/packages web)
mapfile -t packages <<<"$listed"
exec scripts/debian-root.sh "${HORNERO_WEBSITE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/hornero/website-debian-13}" \
	iproute2 mariadb-server openssl ca-certificates "${packages[@]}"
