import { describe, onTestFailed, onTestFinished, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { REQUIRED } from './plan.ts';
import { isSound, reportText } from './report.ts';
import { type ChaosReport, forgetRun, runChaos } from './run-chaos.ts';

const OPTIONS = { seed: 16, jobs: 300, kills: 7, supervisors: 8 };
const AGAIN = `npm run chaos -- --seed ${OPTIONS.seed} --jobs ${OPTIONS.jobs} --kills ${OPTIONS.kills} --supervisors ${OPTIONS.supervisors}`;

describe.runIf(hasPart('proc'))('a service that is killed again and again', () => {
  test('loses no accepted job, runs each once, and leaves nothing running', async ({ expect }) => {
    const said: string[] = [];
    let report: ChaosReport | undefined;
    onTestFailed(() => console.error([...said, `Again: ${AGAIN}`].join('\n')));
    onTestFinished(() => {
      if (report !== undefined && isSound(report)) forgetRun(report);
    });
    report = await runChaos(OPTIONS, (line) => said.push(line));
    said.push(reportText(report));
    expect(report.checks.flatMap(({ wrong }) => wrong)).toEqual([]);
    const phases = new Set(report.kills.filter(({ hit }) => hit).map(({ phase }) => phase));
    expect([...phases]).toEqual(expect.arrayContaining([...REQUIRED]));
    expect(report.supervisors.length).toBeGreaterThanOrEqual(3);
  });
});
