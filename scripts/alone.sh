#!/bin/sh
# Run a test program in a network of its own, as root: its fixed addresses do not meet those of another checkout's tests.
# usage: go test -exec "$PWD/scripts/alone.sh" ...
exec unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
