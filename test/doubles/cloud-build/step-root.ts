import { access, chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What an image of the Docker client holds besides `docker`: Alpine's basic commands and git. No bash, no Python, no curl. */
const COMMANDS = `
  [ awk base64 basename cat chmod chown cmp cp cut date dd df diff dirname du echo env expr
  false find git grep gunzip gzip head hostname id ln ls md5sum mkdir mkfifo mktemp mv nl nohup
  nproc od paste printenv printf pwd readlink realpath rm rmdir sed seq setsid sh sha256sum
  sleep sort split stat sync tac tail tar tee test timeout touch tr true truncate uname uniq wc
  wget which xargs yes zcat
`;

/** `docker`, as far as builds with buildx use it: a builder in a container becomes the BuildKit of this double, all else is the real buildx. */
const DOCKER = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    --config) export DOCKER_CONFIG="$2"; shift 2 ;;
    --config=*) export DOCKER_CONFIG="\${1#*=}"; shift ;;
    -D | --debug) shift ;;
    *) break ;;
  esac
done
case \${1-} in
  buildx) shift ;;
  version | --version | -v) echo 'Docker version 28.2.2, build 0000000'; exit 0 ;;
  *)
    echo "docker: 'docker \${1-}' needs a Docker engine; the Cloud Build double has only docker buildx" >&2
    exit 125
    ;;
esac
export DOCKER_HOST=unix:///builder/no-engine.sock
[ "\${1-}" = create ] || exec /builder/tools/buildx "$@"
shift
driver=docker-container
count=$#
while [ $count -gt 0 ]; do
  word=$1
  shift
  count=$((count - 1))
  case $word in
    --driver | --driver-opt | --buildkitd-flags | --buildkitd-config | --config)
      [ "$word" != --driver ] || driver=$1
      case $word in --buildkitd-config | --config) [ -r "$1" ] || { echo "ERROR: $1: no such file" >&2; exit 1; } ;; esac
      shift
      count=$((count - 1))
      ;;
    --driver=*) driver=\${word#*=} ;;
    --driver-opt=* | --buildkitd-flags=* | --buildkitd-config=* | --config=*) ;;
    *) set -- "$@" "$word" ;;
  esac
done
if [ "$driver" != docker-container ]; then
  echo "ERROR: the Cloud Build double has builders of the driver docker-container only, not $driver" >&2
  exit 1
fi
exec /builder/tools/buildx create --driver remote "$@" unix:///builder/run/buildkitd.sock
`;

/** The entry point of the Docker client's image: sub-commands and options are docker's, all else is a program. */
const ENTRYPOINT = `#!/bin/sh
case \${1-sh} in
  -* | build | buildx | image | images | info | inspect | login | logout | manifest | ps | pull | push | run | tag | version)
    set -- docker "$@" ;;
esac
[ $# -gt 0 ] || set -- sh
exec "$@"
`;

/**
 * Makes a root of its own out of this machine's programs (read-only) and the directories of the step, and runs the step in it.
 * Everything is gone with the last process. Arguments: root, machine, double, tools, step, directory, PATH, command…
 */
const ENTER = `set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$1 machine=$2 double=$3 tools=$4 step=$5 dir=$6 path=$7
shift 7
mount -t tmpfs tmpfs "$root"
for name in bin sbin lib lib32 lib64 usr etc; do
  if [ -L "/$name" ]; then
    ln -s "$(readlink "/$name")" "$root/$name"
  elif [ -d "/$name" ]; then
    mkdir "$root/$name"
    mount --rbind "/$name" "$root/$name"
    mount -o remount,bind,ro "$root/$name"
  fi
done
for name in bash python3 curl node; do
  [ ! -f "$root/usr/bin/$name" ] || mount --bind /dev/null "$root/usr/bin/$name"
done
place() {
  mkdir -p "$root$2"
  mount --rbind "$1" "$root$2"
}
place /dev /dev
place /proc /proc
place "$machine/workspace" /workspace
place "$machine/home" /builder/home
place "$machine/outputs/$step" /builder/outputs
place "$machine/scripts" /builder/scripts
place "$double/bin" /builder/bin
place "$double/run" /builder/run
place "$tools" /builder/tools
mkdir -p "$root/root" "$root/var/tmp" "$root/run" "$root/tmp" "$root$dir"
chmod 1777 "$root/tmp" "$root/var/tmp"
exec chroot "$root" /usr/bin/env --chdir="$dir" PATH="$path" "$@"
`;

/** Directory of the step's programs, inside its root. */
export const STEP_PATH = '/builder/bin';

/** Where `writeStepRoot` puts the program that enters a step's root. */
export function enterProgram(double: string): string {
  return join(double, 'enter.sh');
}

/** Writes the programs that steps find, below a directory of the double. */
export async function writeStepRoot(double: string): Promise<void> {
  const bin = join(double, 'bin');
  await mkdir(bin);
  await writeFile(enterProgram(double), ENTER);
  for (const [name, text] of [
    ['docker', DOCKER],
    ['docker-entrypoint.sh', ENTRYPOINT],
  ] as const) {
    await writeFile(join(bin, name), text);
    await chmod(join(bin, name), 0o755);
  }
  for (const name of COMMANDS.trim().split(/\s+/)) {
    const program = `/usr/bin/${name}`;
    const there = await access(program).then(
      () => true,
      () => false,
    );
    if (there) await symlink(program, join(bin, name));
  }
}
