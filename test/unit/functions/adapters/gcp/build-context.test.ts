import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { test } from 'vitest';
import { buildContext } from '../../../../../functions/adapters/gcp/build-context.ts';

const LONG = `requirements/${'ä'.repeat(90)}/${'b'.repeat(40)}.txt`;
const FILES = [
  ['requirements/requirements.txt', 'numpy\n'],
  ['ca-bundle.pem', 'PEM'],
  [LONG, 'x'],
] as const;
const bytesOf = (files: readonly (readonly [string, string])[]) =>
  new Map(files.map(([name, content]) => [name, Buffer.from(content)]));

test('a context has the Dockerfile and all files, whatever they are called', async ({ expect }) => {
  const { bytes } = buildContext({ dockerfile: 'FROM x\n', files: bytesOf(FILES) });
  const found: Record<string, string> = {};
  const archive = Readable.from([gunzipSync(bytes)]).pipe(extract());
  for await (const entry of archive) {
    expect(entry.header).toMatchObject({ type: 'file', mode: 0o644, uid: 0 });
    found[entry.header.name] = await text(entry);
  }
  expect(found).toEqual({ Dockerfile: 'FROM x\n', ...Object.fromEntries(FILES) });
});

test('the same files make the same bytes and name, in any order; others do not', ({ expect }) => {
  const made = buildContext({ dockerfile: 'FROM x\n', files: bytesOf(FILES) });
  const turned = buildContext({ dockerfile: 'FROM x\n', files: bytesOf(FILES.toReversed()) });
  expect(turned.name).toBe(made.name);
  expect(Buffer.compare(turned.bytes, made.bytes)).toBe(0);
  expect(made.name).toMatch(/^[0-9a-f]{64}\.tar\.gz$/);
  const other = buildContext({ dockerfile: 'FROM y\n', files: bytesOf(FILES) });
  expect(other.name).not.toBe(made.name);
});
