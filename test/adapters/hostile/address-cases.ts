import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import type { HostileCase } from './hostile-case.ts';

const cursor = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Ids, names, queries, cursors and methods. */
export const ADDRESS_CASES: readonly HostileCase[] = [
  get('a NUL in a job id', '/v1/jobs/a%00b', 'got "a\\u0000b"'),
  get('a newline in a job id', '/v1/jobs/a%0Ab', 'id: must be an id'),
  get('an escape in a submission id', '/v1/submissions/%1b%5B2J', 'id: must be an id'),
  get('a slash in a build id', '/v1/builds/..%2F..%2Fetc', '../../etc'),
  get('a job id of 201 characters', `/v1/jobs/${'a'.repeat(201)}`, 'aaaa'),
  get('a broken escape in an id', '/v1/jobs/%zz', '%zz'),
  get('bytes that are not UTF-8 in an id', '/v1/jobs/%ff', 'id'),
  get('a prototype for a job', '/v1/jobs/__proto__', '__proto__', 'JOB_NOT_FOUND'),
  get('no such job', '/v1/jobs/none', 'none', 'JOB_NOT_FOUND'),
  get('no such submission', '/v1/submissions/none', 'none', 'SUBMISSION_NOT_FOUND'),
  get('no such build', '/v1/builds/none', 'none', 'BUILD_NOT_FOUND'),
  get('the log of no such job', '/v1/jobs/none/logs', 'none', 'JOB_NOT_FOUND'),
  get('a followed log of no such job', '/v1/jobs/none/logs?follow=true', 'none', 'JOB_NOT_FOUND'),
  get('a control character in a group', '/v1/groups/a%07b', 'must not contain control'),
  get('a group of 400 characters', `/v1/groups/${'g'.repeat(400)}`, 'ggg'),
  get('no such group', '/v1/groups/none', 'none', 'GROUP_NOT_FOUND'),
  get('events of no such group', '/v1/groups/none/events', 'none', 'GROUP_NOT_FOUND'),
  get('a limit of 0', '/v1/groups?limit=0', 'limit'),
  get('a limit of minus one', '/v1/jobs?limit=-1', '"-1"'),
  get('a limit beyond all numbers', '/v1/jobs?limit=1e999', '"1e999"'),
  get('a limit that is a word', '/v1/groups?limit=many', '"many"'),
  get('a limit over the page', '/v1/groups?limit=501', '500'),
  get('an unknown parameter', '/v1/groups?limt=5', 'did you mean limit'),
  get('an unknown state', '/v1/jobs?state=DANCING', '"DANCING"'),
  get('an owner of 201 characters', `/v1/groups?owner=${'o'.repeat(201)}`, 'owner'),
  get('a cursor that is a word', '/v1/groups?cursor=evil', '"evil"', 'CURSOR_INVALID'),
  get('an empty cursor', '/v1/groups?cursor=', 'cursor'),
  get('a cursor of 1,001 characters', `/v1/groups?cursor=${'c'.repeat(1_001)}`, 'cursor'),
  get(
    'a cursor of another list',
    `/v1/groups?cursor=${cursor({ v: 'x', id: 'a' })}`,
    'cursor',
    'CURSOR_INVALID',
  ),
  get(
    'a cursor with more in it',
    `/v1/jobs?cursor=${cursor({ v: 'x', id: 'a', or: 1 })}`,
    'cursor',
    'CURSOR_INVALID',
  ),
  get(
    'a cursor with a query in it',
    `/v1/jobs?cursor=${cursor({ v: { $gt: '' }, id: 'a' })}`,
    'cursor',
    'CURSOR_INVALID',
  ),
  get(
    'a cursor with a NUL',
    `/v1/jobs?cursor=${cursor({ v: 'x', id: 'a\0' })}`,
    'cursor',
    'CURSOR_INVALID',
  ),
  get(
    'a cursor beyond all numbers',
    `/v1/groups?cursor=${cursor('{"v":1e999,"id":"a"}')}`,
    'cursor',
    'CURSOR_INVALID',
  ),
  get(
    'a cursor with other white space',
    `/v1/jobs?cursor=${cursor('{"v": "x", "id": "a"}')}`,
    'cursor',
    'CURSOR_INVALID',
  ),
  get('a log cursor that is a word', '/v1/jobs/none/logs?since=evil', 'evil', 'CURSOR_INVALID'),
  get(
    'the log cursor of another job',
    `/v1/jobs/none/logs?since=${cursor({ v: '0', id: 'other' })}`,
    'other',
    'CURSOR_INVALID',
  ),
  get('no such route', '/v1/evil', '/v1/evil', 'ROUTE_NOT_FOUND'),
  get('a file of the system', '/..%2f..%2fetc/passwd', 'passwd', 'ROUTE_NOT_FOUND'),
  get('a path of 10,000 characters', `/${'p'.repeat(10_000)}`, 'pppp', 'ROUTE_NOT_FOUND'),
  sent('DELETE', 'a method that is not for a route', '/v1/groups', 'DELETE', 'METHOD_NOT_ALLOWED'),
  sent('PATCH', 'a method that changes a job', '/v1/jobs/none', 'PATCH', 'METHOD_NOT_ALLOWED'),
  sent('POST', 'a stop of no such job', '/v1/jobs/none/stop', 'none', 'JOB_NOT_FOUND'),
];

function get(
  ...[name, path, says, code = 'REQUEST_INVALID']: readonly [string, string, string, ErrorCode?]
): HostileCase {
  return sent('GET', name, path, says, code);
}

function sent(
  ...[method, name, path, says, code]: readonly [string, string, string, string, ErrorCode]
): HostileCase {
  return { name, code, says, send: ({ request }) => request(method, path) };
}
