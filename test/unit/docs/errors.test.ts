import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { errorBody, toErrorBody } from '../../../shared/api/error.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import { ERROR_CATALOG, type ErrorCode, EXIT } from '../../../shared/errors/catalog.ts';

const PAGE = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
const CODES = Object.keys(ERROR_CATALOG).filter(isErrorCode);

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CATALOG, text);
}

interface Entry {
  readonly heading: string;
  readonly text: string;
}

function entries(): Entry[] {
  return PAGE.split(/^### /m)
    .slice(1)
    .map((part) => {
      const [heading = '', ...lines] = (part.split(/^## /m)[0] ?? '').split('\n');
      return { heading, text: lines.join('\n') };
    });
}

function entryOf(code: ErrorCode): Entry {
  const found = entries().find(({ heading }) => heading === code);
  if (found === undefined) throw new Error(`docs/errors.md has no entry ${code}`);
  return found;
}

test('docs/errors.md has exactly one entry for each code, and none for another', ({ expect }) => {
  const headings = entries().map(({ heading }) => heading);
  expect(headings.toSorted()).toEqual(CODES.toSorted());
});

describe.for(CODES)('the entry %s', (code) => {
  test('has the HTTP status, exit status and repeatability of the catalog', ({ expect }) => {
    const { status, exit, retryable } = ERROR_CATALOG[code];
    const repeating = retryable ? 'may succeed later' : 'does not succeed unchanged';
    expect(entryOf(code).text.trimStart().split('\n')[0]).toBe(
      `HTTP ${status} · exit ${exit} · ${repeating}`,
    );
  });

  test('says when it happens and what to do', ({ expect }) => {
    const [, when, remedy, ...rest] = entryOf(code).text.trim().split('\n\n');
    expect(when).toMatch(/^[A-Z].+\.$/s);
    expect(remedy).toMatch(/^\*\*What to do:\*\* .+\.$/s);
    expect(rest).toEqual([]);
  });

  test('is where the link of an error answer leads', ({ expect }) => {
    const { docs } = toErrorBody(new AppError(code, 'x'), 'r').error;
    expect(docs).toBe(`docs/errors.md#${entryOf(code).heading.toLowerCase()}`);
  });
});

test('the exit-status table has a row for success and for each status, in order', ({ expect }) => {
  const rows = Array.from(PAGE.matchAll(/^\| (\d+) \| .+ \|$/gm), ([, status]) => Number(status));
  expect(rows).toEqual([0, ...Object.values(EXIT)]);
});

test('the example is an error answer', ({ expect }) => {
  const text = /^```json\n(.*?)^```$/ms.exec(PAGE)?.[1] ?? '';
  const { error } = errorBody.parse(JSON.parse(text));
  const remade = new AppError('JOB_NOT_FOUND', error.message, { hint: error.hint ?? '' });
  expect(toErrorBody(remade, error.requestId)).toEqual({ error });
});
