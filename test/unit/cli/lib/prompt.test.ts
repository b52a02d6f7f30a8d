import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { confirm, linesOf } from '../../../../cli/lib/prompt.ts';

interface Case {
  readonly name: string;
  readonly input: { readonly default: boolean; readonly inputs: string[] };
  readonly expected: { readonly answer: boolean; readonly read: number };
}
const vectors: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/prompt.json', import.meta.url), 'utf8'),
);

function scripted(inputs: readonly string[]) {
  const lines = inputs.values();
  let read = 0;
  let shown = '';
  return {
    read: () => read,
    shown: () => shown,
    dialogue: {
      write(text: string) {
        shown += text;
      },
      async nextLine() {
        read++;
        return lines.next().value;
      },
    },
  };
}

describe('confirm', () => {
  test.for(vectors.cases)('$name', async ({ input, expected }, { expect }) => {
    const script = scripted(input.inputs);
    const answer = await confirm(script.dialogue, 'go on?', input.default);
    expect({ answer, read: script.read() }).toEqual(expected);
  });

  test('shows the default in the question, once for each try', async ({ expect }) => {
    const script = scripted(['perhaps', 'n']);
    await confirm(script.dialogue, 'go on?', true);
    expect(script.shown()).toBe('go on? [Yn]: go on? [Yn]: ');
  });

  test('at the end of input it names the flag that answers', async ({ expect }) => {
    await expect(confirm(scripted([]).dialogue, 'go on?', true)).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('--yes'),
    });
  });
});

describe('linesOf', () => {
  test('puts lines together over chunk borders and drops line ends', async ({ expect }) => {
    const next = linesOf(chunks(['a', 'b\r\n', '\nlast']), new AbortController().signal);
    expect([await next(), await next(), await next(), await next()]).toEqual([
      'ab',
      '',
      'last',
      undefined,
    ]);
  });

  test('an interrupt ends the wait for a line that nobody types', async ({ expect }) => {
    const interrupt = new AbortController();
    const next = linesOf(silence(), interrupt.signal);
    const line = next();
    interrupt.abort();
    await expect(line).rejects.toBe(interrupt.signal.reason);
    await expect(next()).rejects.toBe(interrupt.signal.reason);
  });
});

async function* chunks(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function* silence(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {});
  yield new Uint8Array();
}
