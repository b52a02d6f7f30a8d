#!/bin/sh
# Makes the base image of the Docker tests without pulling one: a small Debian with Python, from the distribution's own packages.
# Needs mmdebstrap, and a Docker engine. What was made is kept: ${XDG_CACHE_HOME:-$HOME/.cache}/caliban-test.
set -eu

image=${CALIBAN_TEST_BASE_IMAGE:-caliban-test/python:bookworm}
suite=bookworm
packages=python3,python3-pip,python3-venv,ca-certificates
label=dev.caliban.test-base

made_from="$suite minbase $packages $(dpkg --print-architecture)"
key=$(printf '%s' "$made_from" | sha256sum | cut -c1-16)

# An image of that name without the label is somebody's own: it stays.
if has=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$image" 2>/dev/null); then
  case "$has" in '' | '<no value>' | "$key") exit 0 ;; esac
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/caliban-test
tar=$cache/base-$key.tar
if [ ! -e "$tar" ]; then
  mkdir -p "$cache"
  trap 'rm -f "$cache/new.$$.tar"' EXIT
  mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$cache/new.$$.tar"
  mv "$cache/new.$$.tar" "$tar"
fi
docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change "LABEL $label=$key" \
  "$tar" "$image" >/dev/null
