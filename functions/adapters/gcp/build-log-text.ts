// What Cloud Build itself writes around the output of steps (seen 2026-11).
const OWN_LINES: readonly RegExp[] = [
  /^(?:starting build "|FETCHSOURCE|Fetching storage object|Copying gs:|BUILD$|PUSH$|DONE$|ERROR$|TIMEOUT$|CANCELLED$)/,
  /^(?:Starting Step|Finished Step|Pulling image:|Already have image|Status: |Digest: )/,
  /^ERROR: (?:build step \d+ |context deadline exceeded|build cancelled)/i,
];

/** What the programs of a build said: its log without Cloud Build's own lines and names of steps. */
export function buildOutput(log: string): string {
  return log
    .split('\n')
    .map((line) => line.replace(/^Step #\d+(?: - "[^"]*")?: /, ''))
    .filter((line) => !OWN_LINES.some((own) => own.test(line)))
    .join('\n');
}

/** Bytes of UTF-8 up to the last whole character. */
export function wholeCharacters(bytes: Uint8Array): Uint8Array {
  const last = bytes.findLastIndex((byte) => (byte & 0xc0) !== 0x80);
  return bytes.length - last < lengthOf(bytes[last] ?? 0) ? bytes.subarray(0, last) : bytes;
}

/** Bytes of the character that begins with this one. */
function lengthOf(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}
