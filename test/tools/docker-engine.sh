# To be sourced. Starts a Docker engine for the tests when none answers; it ends with the script that sourced this file.
# Needs root, dockerd and iptables. Images are kept in the cache folder, outside of the checkout.

if ! docker version > /dev/null 2>&1; then
  engine_cache="${XDG_CACHE_HOME:-$HOME/.cache}/caliban-test"
  engine_run="$(mktemp -d)"
  mkdir -p "$engine_cache/docker"
  dockerd --data-root "$engine_cache/docker" --exec-root "$engine_run/exec" --pidfile "$engine_run/pid" \
    > "$engine_cache/dockerd.log" 2>&1 &
  engine_pid=$!
  trap 'kill "$engine_pid" 2> /dev/null; wait "$engine_pid" 2> /dev/null; rm -rf "$engine_run"' EXIT
  for _ in $(seq 150); do
    docker version > /dev/null 2>&1 && break
    kill -0 "$engine_pid" 2> /dev/null || break
    sleep 0.2
  done
  if ! docker version > /dev/null 2>&1; then
    echo "The Docker engine did not start; the end of its log:" >&2
    tail -n 20 "$engine_cache/dockerd.log" >&2
    exit 1
  fi
fi
