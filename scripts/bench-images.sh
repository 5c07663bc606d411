#!/bin/bash
# Measure what the shared layer saves: all roles baked cold in a lab of their own, on the layer and each from the base image.
set -euo pipefail
export CLOUD=lab LAB=bench$$-images RELEASE=${RELEASE:-debian-13}
scratch=$(mktemp -d)
export XDG_DATA_HOME=$scratch
trap 'bin/hornero lab reset --yes --name "$LAB" >/dev/null 2>&1; rm -rf "$scratch"' EXIT
bin/hornero lab start --name "$LAB" >/dev/null

timed() { # timed COMMAND...: how many seconds it took
	local begin=$EPOCHREALTIME
	"$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; return 1; }
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}
roles=(arbitrator db proxy web)
flat() { LAYER='' scripts/images.sh --force "$@"; } # flat ROLE...
one_by_one() {
	local role
	for role in "${roles[@]}"; do flat "$role"; done
}

# The base image and the packages may have to come from afar once, which is not what is measured.
timed flat "${roles[@]}" >/dev/null
layered=$(timed scripts/images.sh "${roles[@]}")
nothing=$(timed scripts/images.sh "${roles[@]}")
separate=$(timed one_by_one)
together=$(timed flat "${roles[@]}")
printf 'layer, then all roles on it at once  %6.1f s\n' "$layered"
printf 'nothing changed                      %6.1f s (at most 5)\n' "$nothing"
awk -v l="$layered" -v s="$separate" 'BEGIN { printf "each role from the base, one by one  %6.1f s, ratio %.2f (at most 0.60)\n", s, l / s }'
awk -v l="$layered" -v t="$together" 'BEGIN { printf "each role from the base, all at once %6.1f s, ratio %.2f\n", t, l / t }'
echo "on $(nproc) cores at load $(cut -d' ' -f1 /proc/loadavg)"
