import { describe, test } from 'vitest';
import { runExpansion } from '../../../../cli/commands/expansion.ts';

const digits = '[0,1,2,3,4,5,6,7,8,9]';
const aMillion = `{${['a', 'b', 'c', 'd', 'e', 'f'].map((key) => `"${key}": ${digits}`).join()}}`;

/** An output that takes `limit` chunks, each after a turn of the event loop. */
function createOutput(text: string, limit = Number.POSITIVE_INFINITY) {
  const written: string[] = [];
  const sources: string[] = [];
  let busy = false;
  let overlaps = 0;
  return {
    written,
    sources,
    overlaps: () => overlaps,
    async readText(source: string) {
      sources.push(source);
      return text;
    },
    async write(chunk: string) {
      if (busy) overlaps++;
      busy = true;
      await new Promise(setImmediate);
      busy = false;
      written.push(chunk);
      return written.length < limit;
    },
  };
}

describe('expansion', () => {
  test('prints one line of JSON', async ({ expect }) => {
    const output = createOutput('{"a": [1, 2]} # two');
    await runExpansion(output, 'stdin', { pprint: false, printFlags: false });
    expect(output.sources).toEqual(['stdin']);
    expect(output.written.join('')).toBe('[{"a": 1}, {"a": 2}]\n');
  });
  test('--pprint indents', async ({ expect }) => {
    const output = createOutput('{"a": 1}');
    await runExpansion(output, 'file.json', { pprint: true, printFlags: false });
    expect(output.written.join('')).toBe('[\n  {\n    "a": 1\n  }\n]\n');
  });
  test('--print_flags wins', async ({ expect }) => {
    const output = createOutput('{"a": [1, 2]}');
    await runExpansion(output, 'file.json', { pprint: true, printFlags: true });
    expect(output.written.join('')).toBe('--a 1\n--a 2\n');
  });
  test('writes nothing for a config that is not valid', async ({ expect }) => {
    const output = createOutput('[{"a": 1}, {"b": null}]');
    const run = runExpansion(output, 'file.json', { pprint: false, printFlags: true });
    await expect(run).rejects.toMatchObject({ code: 'CONFIG_INVALID', exit: 2 });
    expect(output.written).toEqual([]);
  });
  test('stops when the reader is gone', async ({ expect }) => {
    const output = createOutput(aMillion, 3);
    await runExpansion(output, 'file.json', { pprint: false, printFlags: false });
    expect(output.written).toHaveLength(3);
  });
  test('waits for each chunk to be taken before it makes the next', async ({ expect }) => {
    const output = createOutput(aMillion, 50);
    await runExpansion(output, 'file.json', { pprint: false, printFlags: true });
    expect(output.written).toHaveLength(50);
    expect(output.overlaps()).toBe(0);
  });
});
