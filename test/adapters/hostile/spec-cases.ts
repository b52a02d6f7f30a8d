import { LIMITS } from '../../../shared/api/limits.ts';
import type { SubmissionSpec } from '../../../shared/api/submissions.ts';
import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import { aSpec } from '../../doubles/a-spec.ts';
import type { HostileCase } from './hostile-case.ts';

type Changes = { readonly [K in keyof SubmissionSpec]?: unknown };

const { hardware, dependencies } = aSpec();

/** Fields of a submission with the wrong type, size or content. */
export const SPEC_CASES: readonly HostileCase[] = [
  spec('a later schema', { schemaVersion: 2 }, 'schemaVersion'),
  spec('a schema version as text', { schemaVersion: '1' }, '"1"'),
  spec('a number for a module', { module: 7 }, 'module: expected string, got 7'),
  spec('an empty module', { module: '' }, 'module'),
  spec('a module with a newline', { module: 'a\nb' }, 'module: must not contain control'),
  spec('a script path of 1,001 characters', { scriptPath: 'p'.repeat(1_001) }, 'scriptPath'),
  spec('a script path with an escape', { scriptPath: '\u001b[2J' }, 'scriptPath'),
  spec('no command', { command: [] }, 'command'),
  spec('a command as text', { command: 'rm -rf /' }, '"rm -rf /"'),
  spec('a NUL in the command', { command: ['sh\0'] }, 'command[0]'),
  spec(
    'an argument with NUL',
    { scriptArgs: ['ok', 'a\0b'] },
    'scriptArgs[1]: must not contain a NUL',
  ),
  spec('half a character in an argument', { scriptArgs: ['\ud800'] }, 'scriptArgs[0]'),
  spec(
    'an argument over the limit',
    { scriptArgs: ['x'.repeat(LIMITS.argBytes + 1)] },
    `${LIMITS.argBytes}`,
  ),
  spec(
    'too many arguments',
    { scriptArgs: Array(LIMITS.scriptArgs + 1).fill('x') },
    `${LIMITS.scriptArgs}`,
  ),
  spec('an argument that is an object', { scriptArgs: [{ toString: 'x' }] }, 'scriptArgs[0]'),
  spec('a huge number for an argument', { scriptArgs: [1e308] }, '1e+308'),
  spec(
    'a config that is no text',
    { config: { lr: [1] } },
    'config: expected string, got an object',
  ),
  spec('a layer id that is a path', { codeLayers: ['../../etc/passwd'] }, '../../etc/passwd'),
  spec('a layer id in capitals', { codeLayers: ['A'.repeat(64)] }, 'codeLayers[0]'),
  spec('a layer nobody sent', { codeLayers: ['e'.repeat(64)] }, 'eeee', 'LAYER_MISSING'),
  spec(
    'too many layers',
    { codeLayers: Array(LIMITS.codeLayers + 1).fill('e'.repeat(64)) },
    `${LIMITS.codeLayers}`,
  ),
  spec('no layer', { codeLayers: [] }, 'codeLayers'),
  spec('an image on one machine', { image: 'evil:latest' }, 'evil:latest', 'PLATFORM_UNSUPPORTED'),
  spec('an unknown platform', { platform: 'mars' }, '"mars"'),
  spec('a platform that is not here', { platform: 'vertex' }, 'vertex', 'PLATFORM_UNSUPPORTED'),
  spec('an unknown mode', { mode: 'tpu' }, '"tpu"'),
  spec('a group with a control character', { group: 'a\u0007b' }, 'group'),
  spec('a group with three parts', { group: 'a/b/c' }, '"a/b/c"'),
  spec('a group that climbs', { group: '../..' }, '..', 'GROUP_NOT_FOUND'),
  spec('a group of someone else', { group: 'nobody/sweep' }, 'nobody/sweep', 'GROUP_NOT_FOUND'),
  spec(
    'a group over the limit',
    { group: 'g'.repeat(LIMITS.groupNameLength + 1) },
    `${LIMITS.groupNameLength}`,
  ),
  spec(
    'a name over the limit',
    { name: 'n'.repeat(LIMITS.nameLength + 1) },
    `${LIMITS.nameLength}`,
  ),
  spec('a name that turns the line', { name: 'a\u2028b' }, 'name'),
  spec('labels as a list', { labels: ['a=b'] }, 'labels: expected record, got a list of 1'),
  spec('too many labels', { labels: manyLabels(LIMITS.labels + 1) }, `${LIMITS.labels} labels`),
  spec('a label key of 201 characters', { labels: { ['k'.repeat(201)]: 'v' } }, 'kkkk'),
  spec('a label value of 1,001 characters', { labels: { k: 'v'.repeat(1_001) } }, 'labels.k'),
  spec('a label with a newline', { labels: { k: 'a\nb' } }, 'labels.k'),
  spec('a label that is a number', { labels: { k: 5 } }, 'labels.k: expected string, got 5'),
  spec('a misspelt field', { hardware: { ...hardware, regoin: 'x' } }, 'did you mean region'),
  spec('hardware that is null', { hardware: null }, 'hardware: expected object, got null'),
  spec(
    'too many apt packages',
    { dependencies: { ...dependencies, apt: Array(501).fill('x') } },
    '500',
  ),
  spec(
    'an apt package with a newline',
    { dependencies: { ...dependencies, apt: ['a\nRUN evil'] } },
    'apt[0]',
  ),
  spec(
    'a source path of 4,097 characters',
    { source: { path: 'p'.repeat(4_097), extraDirs: [] } },
    '4096',
  ),
  key('no idempotency key of sound length', 'k'.repeat(LIMITS.idempotencyKeyLength + 1)),
  key('an idempotency key with a blank', 'a b'),
];

function spec(
  ...[name, changes, says, code = 'REQUEST_INVALID']: readonly [string, Changes, string, ErrorCode?]
): HostileCase {
  return { name, code, says, send: (service) => service.submit(changes) };
}

function key(name: string, value: string): HostileCase {
  return {
    name,
    code: 'REQUEST_INVALID',
    says: /idempotency-key/i,
    send: ({ request, codeLayer }) =>
      request('POST', '/v1/submissions', {
        body: JSON.stringify(aSpec({ codeLayers: [codeLayer] })),
        headers: { 'Idempotency-Key': value },
      }),
  };
}

function manyLabels(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
}
