import { readFile } from 'node:fs/promises';
import * as z from 'zod';

const line = z.looseObject({
  level: z.string().optional(),
  message: z.string(),
});

/** The lines of a log file; each must be JSON, and have no key twice. */
export async function logLines(path: string): Promise<z.infer<typeof line>[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((text) => text !== '');
  return lines.map((text) => {
    const parsed: unknown = JSON.parse(text);
    // Of two values of one key only the last would be left.
    if (JSON.stringify(parsed) !== text) throw new Error(`not as it was meant: ${text}`);
    return line.parse(parsed);
  });
}
