import { createHash } from 'node:crypto';
import { test } from 'vitest';
import * as z from 'zod';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { submissionSpec } from '../../../../shared/api/submissions.ts';
import { ERROR_CATALOG } from '../../../../shared/errors/catalog.ts';
import { createApiBench } from '../../../doubles/api-bench.ts';
import { operationsOf } from '../../../doubles/openapi-operations.ts';

const operation = z.looseObject({
  parameters: z.array(z.looseObject({ in: z.string(), name: z.string() })).optional(),
  security: z.unknown().optional(),
});
const documentOf = z.looseObject({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.looseObject({
    schemas: z.record(z.string(), z.unknown()),
    securitySchemes: z.object({ bearer: z.object({ type: z.string(), scheme: z.string() }) }),
  }),
});

test('every operation has a summary and documents what it can refuse', async ({ expect }) => {
  const { app } = createApiBench();
  for (const { method, path, summary, statuses } of await operationsOf(app)) {
    const name = `${method} ${path}`;
    expect(summary.length, name).toBeGreaterThan(10);
    expect(
      statuses.some((status) => status.startsWith('2')),
      name,
    ).toBe(true);
    const anywhere = ['400', '403', '413', '500', '503'];
    expect(statuses, name).toEqual(expect.arrayContaining(anywhere));
    if (!needsToken(path)) continue;
    expect(statuses, name).toEqual(expect.arrayContaining(['401', '504']));
    if (path.includes('{') && !path.endsWith('/complete')) expect(statuses, name).toContain('404');
  }
});

test('every route of the app is described, and nothing else', async ({ expect }) => {
  const { app } = createApiBench();
  const described = (await operationsOf(app)).map(({ method, path }) => `${method} ${path}`);
  const routed = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  expect(new Set(described)).toEqual(new Set(routed));
});

test('every reference of the document resolves, and the parameters of paths are declared', async ({
  expect,
}) => {
  const { send } = createApiBench();
  const document = documentOf.parse(await (await send('/openapi.json')).json());
  const references = [...referencesIn(document)];
  expect(references.length).toBeGreaterThan(20);
  for (const reference of references) {
    expect(resolve(document, reference), reference).toBeTypeOf('object');
  }
  expect(document.openapi).toBe('3.1.0');
  expect(document.components.securitySchemes.bearer.scheme).toBe('bearer');
  for (const [path, item] of Object.entries(document.paths)) {
    const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const operation of Object.values(item)) {
      const declared = (operation.parameters ?? []).filter((each) => each.in === 'path');
      expect(
        declared.map(({ name }) => name),
        path,
      ).toEqual(wanted);
      expect(operation.security !== undefined, path).toBe(needsToken(path));
    }
  }
});

test('the example of a submission is one', async ({ expect }) => {
  const { app } = createApiBench();
  const document = documentOf.parse(await (await app.request('/openapi.json')).json());
  const { example } = z
    .object({ example: z.unknown() })
    .parse(document.components.schemas['SubmissionSpec']);
  expect(submissionSpec.parse(example)).toEqual(example);
});

test('the page names every path, limit, code and schema', async ({ expect }) => {
  const { app, send } = createApiBench();
  const answer = await send('/docs');
  expect(answer.headers.get('Content-Type')).toBe('text/html; charset=utf-8');
  const html = await answer.text();
  for (const { path, summary } of await operationsOf(app)) {
    expect(html).toContain(`<code>${path}</code>`);
    expect(html).toContain(summary);
  }
  for (const [name, value] of Object.entries(LIMITS)) {
    expect(html).toContain(`<td>${name}</td><td>${value}</td>`);
  }
  for (const code of Object.keys(ERROR_CATALOG)) expect(html).toContain(`<td>${code}</td>`);
  const document = documentOf.parse(await (await send('/openapi.json')).json());
  for (const name of Object.keys(document.components.schemas)) {
    expect(html).toContain(`id="schema-${name}"`);
  }
});

test('the page needs nothing else, and its policy lets nothing else in', async ({ expect }) => {
  const answer = await createApiBench().send('/docs');
  const policy = answer.headers.get('Content-Security-Policy') ?? '';
  const html = await answer.text();
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
  const digest = createHash('sha256').update(style).digest('base64');
  expect(policy).toContain(`style-src 'sha256-${digest}'`);
  expect(policy).toContain("default-src 'none'");
  expect(html).not.toMatch(/<script|\sstyle=|\ssrc=|https?:\/\//);
});

test('both descriptions are the same text each time', async ({ expect }) => {
  const { send } = createApiBench();
  for (const path of ['/openapi.json', '/docs']) {
    expect(await (await send(path)).text()).toBe(await (await send(path)).text());
  }
});

function needsToken(path: string): boolean {
  return path.startsWith('/v1/') || path === '/metrics';
}

function* referencesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    if (key === '$ref' && typeof part === 'string') yield part;
    else yield* referencesIn(part);
  }
}

function resolve(document: unknown, reference: string): unknown {
  const names = reference.replace(/^#\//, '').split('/');
  return names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    document,
  );
}
