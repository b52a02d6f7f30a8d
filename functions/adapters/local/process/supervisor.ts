/** Exit status of a supervisor that started nothing, because the disk took nothing (EX_TEMPFAIL of sysexits.h). */
export const NO_ROOM = 75;

/**
 * The supervisor of one attempt, for any POSIX sh: `sh supervisor.sh ATTEMPT_DIR PROGRAM [ARGUMENT...]`, started as the
 * leader of its own session and process group, with the program's directory and environment.
 *
 * - Who creates `started` may start the program; it names the supervisor (pid, start, boot; see process-table.ts).
 * - It makes room for the exit status and the log before it writes these words. A disk that takes nothing ends it with {@link NO_ROOM}, and
 *   `started` is gone again: then nothing was started, and somebody else may. At the end of a program the disk may be full, too: the
 *   status is written over what was made room for, in one write of a few bytes, which a reader sees whole or not at all; `mv` would be a
 *   program more for each job. Where it cannot be written all the same, the supervisor stays until it can.
 * - Its traps keep a group-wide TERM from ending it; the program gets the default dispositions back. It runs the program in the
 *   foreground, because sh starts a background one with INT and QUIT ignored, and because waiting for a foreground one is
 *   never cut short by a trapped signal.
 * - Files are made with printf: where a special builtin such as `:` cannot open one, the shell itself ends.
 * - `exec` in the subshell: a word is always a program, never a builtin of this shell.
 * - What the program leaves behind in its group is killed with the supervisor itself, as a container ends with its first process.
 */
export const SUPERVISOR_SCRIPT = String.raw`#!/bin/sh
set -fu
attempt=$1
shift

start_field() {
  shift 19
  start=$1
}

if [ -r "/proc/$$/stat" ]; then
  read -r stat < "/proc/$$/stat"
  start_field \${stat##*") "}
  read -r boot < /proc/sys/kernel/random/boot_id
else
  start=$(LC_ALL=C TZ=UTC0 ps -o lstart= -p "$$" | sed 's/^ *//; s/ *$//')
  boot=$(sysctl -n kern.boottime | sed 's/.*{ sec = \([0-9]*\).*/\1/')
fi

trap : TERM INT HUP
set -C
{ printf '' > "$attempt/started"; } 2> /dev/null || {
  [ -e "$attempt/started" ] && exit 0
  exit 75
}
set +C
{
  printf '%40s\n' '' > "$attempt/exit.json" &&
    printf '' >> "$attempt/log" &&
    printf '%s\n%s\n%s\n' "$$" "$start" "$boot" >> "$attempt/started"
} 2> /dev/null || {
  rm -f "$attempt/exit.json" "$attempt/started"
  exit 75
}

if [ -e "$attempt/stop" ]; then
  code=143
else
  ( exec "$@" ) < /dev/null >> "$attempt/log" 2>&1
  code=$?
fi

until { printf '%-40s\n' "{\"exitCode\":$code}" 1<> "$attempt/exit.json"; } 2> /dev/null; do
  [ -d "$attempt" ] || break
  sleep 1
done
kill -s KILL 0
`.replaceAll('\\$', '$');
