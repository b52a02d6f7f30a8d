/** A frame as the engine sends it. */
export function frame(stream: number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** These bytes in chunks of such lengths, the rest in one. */
export async function* chunksOf(
  bytes: Buffer,
  lengths: readonly number[],
): AsyncGenerator<Buffer, void> {
  let at = 0;
  for (const length of lengths) {
    yield bytes.subarray(at, at + length);
    at += length;
  }
  yield bytes.subarray(at);
}

const PART = 16 * 1024;

/**
 * What an engine keeps of what was printed to one stream, with time stamps: each line, with its newline; a line that fills the engine's
 * buffer in parts of one time stamp, the last one without newline in the older version (moby, daemon/logger/copier.go and local/read.go).
 */
export function keptOf(printed: Buffer, isOlder: boolean): Buffer[] {
  const kept: Buffer[] = [];
  let line = 0;
  for (let at = 0; at < printed.length; line++) {
    const newline = printed.indexOf('\n', at);
    const end = newline === -1 ? printed.length : newline;
    const stamp = Buffer.from(`2026-11-24T15:01:26.${String(line).padStart(9, '0')}Z `);
    const parts = partsOf(printed.subarray(at, end), { hasNewline: newline !== -1, isOlder });
    kept.push(...parts.map((part) => Buffer.concat([stamp, part])));
    at = end + 1;
  }
  return kept;
}

function partsOf(
  line: Buffer,
  { hasNewline, isOlder }: { readonly hasNewline: boolean; readonly isOlder: boolean },
): Buffer[] {
  const full = Math.floor(line.length / PART);
  const parts = Array.from({ length: full }, (_, i) => line.subarray(i * PART, (i + 1) * PART));
  const rest = line.subarray(full * PART);
  if (!hasNewline) return rest.length > 0 ? [...parts, rest] : parts;
  return [...parts, full > 0 && isOlder ? rest : Buffer.concat([rest, Buffer.from('\n')])];
}
