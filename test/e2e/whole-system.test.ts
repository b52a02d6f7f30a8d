import { appendFile, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { SYSTEM_KINDS } from '../fixtures/whole-system.ts';
import { ROOT, statusJson } from './built-cli.ts';

const SWEEP = ['cloud', '--nogpu', '--experiment_config', 'experiment.json'];

for (const { name, needs, platform, open } of SYSTEM_KINDS) {
  describe.runIf(needs.every(hasPart))(`the whole system: ${name}`, { timeout: 420_000 }, () => {
    test('a sweep of the sklearn example, from the command line to containers and back', async ({
      expect,
      onTestFinished,
    }) => {
      const { machine, cloud } = await open(onTestFinished);
      const cwd = join(machine.home, 'project');
      await cp(join(ROOT, 'examples', 'sklearn'), cwd, { recursive: true });
      // Nobody else's image is this one: the first submission has to build.
      await appendFile(join(cwd, 'requirements.txt'), `# ${machine.home}\n`);

      // Two at once need the same new image: it is built for both.
      const submit = (group: string) =>
        machine.caliban([...SWEEP, '--xgroup', group, '--wait', 'trainer.train'], { cwd });
      const [ran, other] = await Promise.all([submit('sk'), submit('too')]);
      expect(other, `${other.stdout}${other.stderr}`).toMatchObject({ status: 0 });
      expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ status: 0 });
      expect(ran.stdout).toContain(`4 jobs accepted in group sk on ${platform}`);
      expect(ran.stdout).toContain('4 succeeded');

      const status = await machine.caliban(['status', '--xgroup', 'sk', '--json']);
      const jobs = statusJson.parse(JSON.parse(status.stdout)).experiments.flatMap((e) => e.jobs);
      expect(jobs.map(({ state }) => state)).toEqual(Array(4).fill('SUCCEEDED'));
      for (const { id } of jobs) {
        // Lines of Cloud Logging come a little late: following waits for them.
        const log = await machine.caliban(['logs', id, '--follow']);
        expect(log.stdout, log.stderr).toContain('accuracy');
      }
      if (cloud !== null) {
        expect(cloud.vertex.jobs()).toHaveLength(8);
        expect(cloud.api.calls('CreateBuild')).toHaveLength(1);
      }
    });
  });
}
