import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import * as z from 'zod';
import { MESSAGE_KINDS } from '../../../functions/ports/message.ts';
import { hostedSettings } from '../../../shared/config/hosted-settings.ts';

const page = readFileSync(new URL('../../../docs/hosted.md', import.meta.url), 'utf8');

test('every setting of a hosted service is described, and no other', ({ expect }) => {
  const table = page.slice(page.indexOf('## Settings'), page.indexOf('## How it behaves'));
  const described = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, names = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
  expect(described.toSorted()).toEqual(namesOf(hostedSettings).toSorted());
});

test('the routes of the worker are the kinds of messages', ({ expect }) => {
  expect(page).toContain(`/internal/{${MESSAGE_KINDS.join(',')}}`);
  for (const kind of MESSAGE_KINDS) expect(page).toContain(`\`PREFIX-${kind}\``);
});

function namesOf(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape).flatMap(([name, value]) => {
    const inner = objectIn(value);
    return inner === undefined ? [name] : namesOf(inner).map((each) => `${name}.${each}`);
  });
}

function objectIn(schema: unknown): z.ZodObject | undefined {
  if (schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodPrefault) return objectIn(schema.unwrap());
  return undefined;
}
