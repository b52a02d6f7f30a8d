import { readFile } from 'node:fs/promises';
import * as z from 'zod';

const line = z.looseObject({
  level: z.string().optional(),
  message: z.string(),
});

/** The lines of a log file; each must be JSON. */
export async function logLines(path: string): Promise<z.infer<typeof line>[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((each) => each !== '')
    .map((each) => line.parse(JSON.parse(each)));
}
