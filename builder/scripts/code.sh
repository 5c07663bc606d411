#!/bin/sh
# Puts the stack's own code into this machine: removes what it takes the place of, unpacks it, and links the folders that programs
# may write to. usage: code.sh [ROOT]
set -eu
root=${1:-}
umask 022

while read -r path; do
	rm -rf "$root$path"
done <code.clear

if [ -s code.tar.gz ]; then
	# With the time of the bake: web servers tell two versions of a file by it.
	tar -C "$root/" -xzmf code.tar.gz --no-same-owner
fi

while read -r user group at path; do
	install -d -o "$user" -g "$group" "$root$at"
	mkdir -p "$(dirname "$root$path")"
	[ -L "$root$path" ] || rm -rf "$root$path"
	ln -sfn "$at" "$root$path"
done <code.links
