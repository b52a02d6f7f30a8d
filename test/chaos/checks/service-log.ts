import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Stage } from '../stage.ts';
import { type Check, check } from './check.ts';

const line = z.looseObject({
  level: z.union([z.number(), z.string()]),
  message: z.string().optional(),
  status: z.number().optional(),
  /** Of a message that is told of: in a field of its own, or within the line. */
  queued: z.looseObject({ kind: z.string() }).optional(),
  kind: z.string().optional(),
});
/** As pino numbers them, and as words. */
const FAILURES: readonly (number | string)[] = [50, 60, 'error', 'fatal'];

/** The service's own log tells of no failure: nothing at level error, nothing parked, no 5xx, no locked database. */
export function checkServiceLog({ serve, home }: Pick<Stage, 'serve' | 'home'>): Check {
  const text = readFileSync(join(serve.dataDir, 'logs', 'service.log'), 'utf8');
  const printed = readFileSync(join(home, 'serve.log'), 'utf8');
  const lines = text.split('\n').filter((each) => each !== '');
  const unreadable = lines.filter((each) => !line.safeParse(parseJson(each)).success);
  const wrong = [...lines.filter(tellsOfFailure), ...printed.split('\n').filter(isAlarm)];
  // A kill may cut a line; more than a few would hide what this looks for.
  if (unreadable.length * 20 > lines.length) wrong.push(`not understood: ${unreadable[0]}`);
  return check('the service logged no failure', `${lines.length} lines`, wrong);
}

function tellsOfFailure(text: string): boolean {
  const parsed = line.safeParse(parseJson(text));
  if (!parsed.success) return false;
  const { level, message, status = 0, queued, kind = queued?.kind } = parsed.data;
  // A drain that was under way at ten kills is parked too, and comes again by itself.
  const isParked = message === 'message parked' && kind !== 'drain';
  return FAILURES.includes(level) || status >= 500 || isParked || isAlarm(text);
}

function isAlarm(text: string): boolean {
  return /database is locked|bug in caliban|uncaught|unhandled/i.test(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
