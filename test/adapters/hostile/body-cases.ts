import { LIMITS } from '../../../shared/api/limits.ts';
import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import type { HostileCase } from './hostile-case.ts';

const DEEP = 200_000;

/** Bodies of POST /v1/submissions that are no sound JSON request at all. */
export const BODY_CASES: readonly HostileCase[] = [
  body('an empty body', '', 'empty'),
  body('white space', ' \n\t ', 'empty'),
  body('half an object', '{"schemaVersion": 1', 'no JSON'),
  body('two documents', '{}{}', 'no JSON'),
  body('a trailing comma', '{"schemaVersion": 1,}', 'no JSON'),
  body('comments', '{} // no', 'no JSON'),
  body('single quotes', "{'schemaVersion': 1}", 'no JSON'),
  body('NaN', '{"schemaVersion": NaN}', 'no JSON'),
  body('a byte order mark alone', '\uFEFF', 'empty'),
  body('bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'UTF-8'),
  body('an over-long UTF-8 slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'UTF-8'),
  body('a list that is opened 200,000 times', '['.repeat(DEEP), 'no JSON'),
  body('a list 200,000 deep', '['.repeat(DEEP) + ']'.repeat(DEEP), 'expected object'),
  body('an object 200,000 deep', `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`, '"a"'),
  body('null', 'null', 'got null'),
  body('a list', '[]', 'got a list of 0'),
  body('a text', '"spec"', '"spec"'),
  body('a number', '7', 'got 7'),
  body('an object without any field', '{}', 'schemaVersion'),
  body('a prototype for a field', '{"__proto__": {"module": "x"}}', '__proto__'),
  body('a constructor for a field', '{"constructor": {"prototype": {}}}', 'constructor'),
  body('a thousand unknown fields', manyFields(1_000), 'more'),
  body('a name of 100,000 characters', `{"${'k'.repeat(100_000)}": 1}`, 'kkkk'),
  body(
    'a body over the limit',
    ' '.repeat(LIMITS.bodyBytes + 1),
    `${LIMITS.bodyBytes}`,
    'REQUEST_TOO_LARGE',
  ),
  typed('no JSON by its type', 'text/plain', 'text/plain'),
  typed('a form', 'application/x-www-form-urlencoded', 'urlencoded'),
  typed('a type that begins like JSON', 'application/jsonx', 'jsonx'),
  typed('a long type', `text/${'x'.repeat(5_000)}`, 'text/xxx'),
  {
    name: 'a compressed body',
    code: 'REQUEST_INVALID',
    says: 'UTF-8',
    send: ({ request }) =>
      request('POST', '/v1/submissions', {
        body: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        headers: { 'Content-Encoding': 'gzip' },
      }),
  },
];

function body(
  ...[name, content, says, code = 'REQUEST_INVALID']: readonly [
    string,
    string | Uint8Array,
    string,
    ErrorCode?,
  ]
): HostileCase {
  const send: HostileCase['send'] = ({ request }) =>
    request('POST', '/v1/submissions', { body: content });
  return { name, code, says, send };
}

function typed(name: string, type: string, says: string): HostileCase {
  return {
    name,
    code: 'MEDIA_TYPE_UNSUPPORTED',
    says,
    send: ({ request }) =>
      request('POST', '/v1/submissions', { body: '{}', headers: { 'Content-Type': type } }),
  };
}

function manyFields(count: number): string {
  return JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, i])));
}
