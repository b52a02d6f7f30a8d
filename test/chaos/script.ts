import { createCipheriv, createHash } from 'node:crypto';
import { aFile, aLayer, aTar, type BuiltLayer } from '../doubles/tar-builder.ts';

/** Name of the program that every job runs. */
export const SCRIPT = 'append.sh';

/** `append.sh FILE --doze SECONDS --n NUMBER`: one line in one write, then sleep. */
export const SCRIPT_TEXT = `#!/bin/sh
printf '%s %s %s\\n' "$CALIBAN_JOB_ID" "$$" "$5" >> "$1"
[ "$3" = 0 ] || sleep "$3"
`;

/** The program as a layer; with `noise` bytes of ballast that differ with the name and cannot be compressed. */
export function scriptLayer(name: string, noise = 0): BuiltLayer {
  const script = aFile(`usr/app/${SCRIPT}`, SCRIPT_TEXT, 0o755);
  if (noise === 0) return aLayer(aTar(script));
  return aLayer(aTar(script, aFile('usr/app/noise', ballast(name, noise))), 'identity');
}

function ballast(name: string, bytes: number): Uint8Array {
  const key = createHash('sha256').update(name).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}
