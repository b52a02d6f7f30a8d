import { readFileSync } from 'node:fs';

/** A line that a job wrote when it ran. */
export interface Line {
  readonly jobId: string;
  readonly pid: number;
  readonly n: number;
}

/** Every line, in the order they were written. */
export function readLines(path: string): readonly Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return []; // nothing has run yet
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [jobId = '', pid, n] = line.split(' ');
      return { jobId, pid: Number(pid), n: Number(n) };
    });
}
