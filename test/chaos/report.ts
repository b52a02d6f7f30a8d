import type { ChaosReport } from './run-chaos.ts';

const SHOWN = 5;

/** Whether every promise was kept. */
export function isSound({ checks }: Pick<ChaosReport, 'checks'>): boolean {
  return checks.every(({ wrong }) => wrong.length === 0);
}

/** What was checked, as a table; below it what is wrong. */
export function reportText({ checks, supervisors, kills, seconds }: ChaosReport): string {
  const width = Math.max(...checks.map(({ promise }) => promise.length));
  const seen = Math.max(...checks.map((each) => each.seen.length));
  const rows = checks.map((each) => {
    const verdict = each.wrong.length === 0 ? 'ok' : `WRONG (${each.wrong.length})`;
    return `  ${each.promise.padEnd(width)}  ${each.seen.padEnd(seen)}  ${verdict}`;
  });
  const details = checks.flatMap(({ promise, wrong }) => [
    ...(wrong.length === 0 ? [] : [`${promise}:`]),
    ...wrong.slice(0, SHOWN).map((finding) => `  ${finding}`),
    ...(wrong.length > SHOWN ? [`  and ${wrong.length - SHOWN} more`] : []),
  ]);
  const down = supervisors.filter(({ serviceWasUp }) => !serviceWasUp).length;
  const killed = `${kills.length} kills of the service, ${supervisors.length} of supervisors (${down} while no service ran), ${seconds} s`;
  return [...rows, killed, ...details].join('\n');
}
