import { LIMITS } from '../../../shared/api/limits.ts';
import type { ErrorCode } from '../../../shared/errors/catalog.ts';
import { aDirectory, aFile, aLayer, aSymlink, aTar } from '../../doubles/tar-builder.ts';
import type { HostileCase } from './hostile-case.ts';

/** Experiment configs, inline and as a layer. */
export const CONFIG_CASES: readonly HostileCase[] = [
  inline('an empty text', '', 'CONFIG_SYNTAX', 'line 1'),
  inline('an open list', '{"lr": [1', 'CONFIG_SYNTAX', 'line 1'),
  inline('a list 100,000 deep', `{"a": ${'['.repeat(100_000)}`, 'CONFIG_SYNTAX', 'line 1'),
  inline('a number that never ends its dot', '{"lr": 1.}', 'CONFIG_SYNTAX', '1.'),
  inline('a control character in a key', '{"l\u0001r": 1}', 'CONFIG_SYNTAX', 'line 1'),
  inline('a text', '"lr"', 'CONFIG_INVALID', '"lr"'),
  inline('a null for a value', '{"lr": null}', 'CONFIG_INVALID', 'lr'),
  inline('an object for a value', '{"lr": {"a": 1}}', 'CONFIG_INVALID', 'lr'),
  inline('an empty key', '{"": 1}', 'CONFIG_INVALID', '""'),
  inline('an escaped NUL in a value', String.raw`{"lr": "a\u0000b"}`, 'CONFIG_INVALID', 'lr'),
  inline('half a character in a value', String.raw`{"lr": ["\ud800"]}`, 'CONFIG_INVALID', 'lr'),
  inline('rows of the wrong length', '{"[a,b]": [[1]]}', 'CONFIG_INVALID', '[a,b]'),
  inline('a product of 10^7 + 10^6', product(11, 1_000, 1_000), 'LIMIT_EXCEEDED', '11000000'),
  inline(
    'a product beyond 2^53',
    product(...Array<number>(6).fill(1_000)),
    'LIMIT_EXCEEDED',
    '10000000',
  ),
  inline(
    'a product beyond any number',
    product(...Array<number>(900).fill(100)),
    'LIMIT_EXCEEDED',
    'more than',
  ),
  inline(
    'a text over the inline limit',
    `{"a": "${'x'.repeat(LIMITS.inlineConfigBytes)}"}`,
    'CONFIG_TOO_LARGE',
    `${LIMITS.inlineConfigBytes}`,
  ),
  {
    name: 'a config inline and as a layer',
    code: 'REQUEST_INVALID',
    says: 'configLayer',
    send: ({ submit, codeLayer }) => submit({ config: '{}', configLayer: codeLayer }),
  },
  {
    name: 'a config layer nobody sent',
    code: 'LAYER_MISSING',
    says: 'dddd',
    send: ({ submit }) => submit({ configLayer: 'd'.repeat(64) }),
  },
  layered('a layer without a config', aFile('other.json', '{}'), 'CONFIG_INVALID', 'config.json'),
  layered(
    'a config that is a directory',
    aDirectory('config.json'),
    'CONFIG_INVALID',
    'config.json',
  ),
  layered(
    'a config that is a link',
    aSymlink('config.json', 'evil.json'),
    'CONFIG_INVALID',
    'config.json',
  ),
  layered(
    'a config layer that is not UTF-8',
    aFile('config.json', Buffer.from([0xff])),
    'CONFIG_INVALID',
    'UTF-8',
  ),
  layered(
    'a config layer with a syntax error',
    aFile('config.json', '{'),
    'CONFIG_SYNTAX',
    'line 1',
  ),
  layered(
    'a config of 32 MiB + 1 byte',
    aFile('config.json', Buffer.alloc(LIMITS.configBytes + 1, 0x20)),
    'CONFIG_TOO_LARGE',
    `${LIMITS.configBytes}`,
  ),
];

function inline(
  ...[name, config, code, says]: readonly [string, string, ErrorCode, string]
): HostileCase {
  return { name: `inline: ${name}`, code, says, send: ({ submit }) => submit({ config }) };
}

function layered(
  ...[name, entry, code, says]: readonly [string, Uint8Array, ErrorCode, string]
): HostileCase {
  return {
    name,
    code,
    says,
    async send({ upload, submit }) {
      const layer = aLayer(aTar(entry));
      const sent = await upload(layer);
      return sent.status === 200 ? submit({ configLayer: layer.declaration.diffId }) : sent;
    },
  };
}

function product(...sizes: readonly number[]): string {
  return JSON.stringify(
    Object.fromEntries(
      sizes.map((size, at) => [`f${at}`, Array.from({ length: size }, (_, i) => i)]),
    ),
  );
}
