import fc from 'fast-check';
import { test } from 'vitest';
import { errorBody } from '../../../../shared/api/error.ts';
import { CODE_LAYER } from '../../../doubles/a-spec.ts';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { type DescribedOperation, operationsOf } from '../../../doubles/openapi-operations.ts';

const TEXTS = [
  '',
  '0',
  '-1',
  '1e400',
  '%',
  '\u0000',
  '\n',
  '..',
  'a/b',
  '😀',
  '\ud800',
  '{}',
  "'",
  'true',
  '9'.repeat(30),
];
const text = fc.oneof(
  fc.constantFrom(...TEXTS, 'sweep', CODE_LAYER),
  fc.string({ unit: 'binary', maxLength: 30 }),
);

// A sound body with one part exchanged for anything.
const body = fc
  .tuple(
    fc.constantFrom<object>(
      sweepSpec(),
      { diffIds: [CODE_LAYER] },
      { dryRun: true },
      { diffId: CODE_LAYER, blobSize: 3, encoding: 'gzip', uncompressedSize: 5 },
      {},
    ),
    fc.constantFrom(
      ...Object.keys(sweepSpec()),
      'diffIds',
      'dryRun',
      'blobSize',
      '__proto__',
      'zz',
    ),
    fc.option(fc.oneof(text, fc.jsonValue(), fc.array(text), fc.dictionary(text, text))),
  )
  .map(([sound, field, value]) => JSON.stringify({ ...sound, [field]: value }));

const NAMES = [
  'limit',
  'cursor',
  'owner',
  'state',
  'platform',
  'facet',
  'maxJobs',
  'since',
  'grep',
  'x',
];

function request(operations: readonly DescribedOperation[]) {
  return fc.record({
    operation: fc.constantFrom(...operations),
    part: text,
    query: fc.dictionary(fc.constantFrom(...NAMES), text, { maxKeys: 2 }),
    sent: body,
    header: text,
  });
}

function headersOf(value: string): Record<string, string> {
  if (!/^[\x20-\x7e]*$/.test(value)) return {};
  return { 'Idempotency-Key': value, 'Last-Event-ID': value, 'Content-Range': value };
}

test('whatever is sent, the answer is a documented one, in the documented form, and no defect', async ({
  expect,
}) => {
  const bench = createApiBench();
  await bench.submit(sweepSpec(), 'k');
  await bench.work();
  const operations = await operationsOf(bench.app);
  await fc.assert(
    fc.asyncProperty(request(operations), async ({ operation, part, query, sent, header }) => {
      const { method, path, statuses } = operation;
      const encoded = encodeURIComponent(part.toWellFormed()) || 'sweep';
      const url = `${path.replaceAll(/\{\w+\}/g, encoded)}?${new URLSearchParams(query)}`;
      const answer = await bench.send(url, {
        method,
        headers: { 'Content-Type': 'application/json', ...headersOf(header) },
        ...(method === 'GET' ? {} : { body: sent }),
      });
      // A text may make another path of this one.
      if (answer.status !== 404)
        expect(statuses, `${method} ${url}`).toContain(String(answer.status));
      expect(answer.status).toBeLessThan(500);
      if (answer.status >= 400) errorBody.parse(await answer.json());
      else await answer.body?.cancel();
    }),
    { numRuns: 600 },
  );
  expect(bench.logged.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
}, 30_000);
