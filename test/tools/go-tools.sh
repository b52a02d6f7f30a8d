#!/bin/sh
# Builds the Go programs that tests use beside the project: an independent Cloud Storage, BuildKit and buildx, at the versions of go.mod.
# Prints the directory they are in: ${XDG_CACHE_HOME:-$HOME/.cache}/caliban-test/tools-KEY, kept from run to run.
# With --find it builds nothing, but waits for a build that is under way: a missing program is a failure then.
set -eu

cd "$(dirname "$0")"
key=$(cat go.mod go.sum | sha256sum | cut -c1-16)
dir=${CALIBAN_TEST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/caliban-test/tools-$key}
building=$dir/building

if [ "${1:-}" = --find ]; then
  while kill -0 "$(cat "$building" 2>/dev/null || echo none)" 2>/dev/null; do sleep 1; done
else
  mkdir -p "$dir"
  echo $$ >"$building"
  trap 'rm -f "$building"' EXIT
fi
for package in \
  github.com/fsouza/fake-gcs-server \
  github.com/moby/buildkit/cmd/buildkitd \
  github.com/moby/buildkit/cmd/buildctl \
  github.com/docker/buildx/cmd/buildx; do
  name=${package##*/}
  [ -x "$dir/$name" ] && continue
  if [ "${1:-}" = --find ]; then
    echo "$dir/$name is missing; test/tools/go-tools.sh builds it." >&2
    exit 1
  fi
  CGO_ENABLED=0 go build -trimpath -o "$dir/$name.new.$$" "$package" >&2
  mv "$dir/$name.new.$$" "$dir/$name"
done
echo "$dir"
