import { test } from 'vitest';
import { type AskedBuild, aBuild, openCloudBuild } from './cloud-build-client.ts';

const step = { name: 'docker:28-cli' };
const account = 'projects/test-project/serviceAccounts/builds@test-project.iam.gserviceaccount.com';
const secret = (versionName: string) => ({ secretManager: [{ versionName, env: 'TOKEN' }] });
const VERSION = 'projects/test-project/secrets/token/versions/1';
const withSecret = { steps: [{ ...step, secretEnv: ['TOKEN'] }] };
/** A key as the long form has it. */
const braced = (key: string) => `\${${key}}`;
const inBucket = (storageSource: object) => ({ source: { storageSource } });

test.for<[string, AskedBuild, RegExp]>([
  ['no step', { steps: [] }, /at least one step/],
  ['a step without a name', { steps: [{ args: ['x'] }] }, /specify a name/],
  ['301 steps', { steps: Array(301).fill(step) }, /maximum of 300/],
  [
    'script and args',
    { steps: [{ ...step, script: 'true', args: ['x'] }] },
    /script cannot be set/,
  ],
  ['a directory that leads out', { steps: [{ ...step, dir: '../x' }] }, /leads out/],
  ['waiting for no step', { steps: [{ ...step, waitFor: ['x'] }] }, /no earlier step/],
  [
    'one id twice',
    {
      steps: [
        { ...step, id: 'x' },
        { ...step, id: 'x' },
      ],
    },
    /used twice/,
  ],
  ['a variable without a value', { steps: [{ ...step, env: ['X'] }] }, /not KEY=VALUE/],
  ['more than a day', { timeout: { seconds: 86_401 } }, /86400s/],
  ['no time at all', { timeout: { seconds: 0 } }, /timeout/],
  ['no time in the queue', { queueTtl: { seconds: 0 } }, /queue_ttl/],
  ['a tag with a slash', { tags: ['a/b'] }, /build.tags/],
  ['a tag of 129 characters', { tags: ['a'.repeat(129)] }, /build.tags/],
  ['an empty tag', { tags: [''] }, /build.tags/],
  ['a volume', { steps: [{ ...step, volumes: [{ name: 'v', path: '/v' }] }] }, /volumes/],
  ['artifacts', { artifacts: { images: ['x'] } }, /artifacts/],
  [
    'a worker pool',
    { options: { pool: { name: 'projects/p/locations/l/workerPools/w' } } },
    /pool/,
  ],
  ['a disk too big', { options: { diskSizeGb: 4001 } }, /4000/],
  ['a source without a bucket', inBucket({ object: 'a.tgz' }), /bucket/],
  ['a source without an object', inBucket({ bucket: 'sources' }), /object/],
  ['a source that is no archive', inBucket({ bucket: 'sources', object: 'a.txt' }), /\.tar\.gz/],
  ['an account with default logs', { serviceAccount: account }, /'build.logs_bucket'/],
  [
    'an account with GCS_ONLY and no bucket',
    { serviceAccount: account, options: { logging: 'GCS_ONLY' } },
    /'build.logs_bucket'/,
  ],
  ['an account by its address', { serviceAccount: 'builds@x', logsBucket: 'logs' }, /no service/],
  ['a logs bucket with capitals', { logsBucket: 'gs://Logs' }, /logs_bucket/],
  ['a secret that is not declared', withSecret, /TOKEN is not defined/],
  ['a secret that is not used', { availableSecrets: secret(VERSION) }, /used by no step/],
  [
    'a secret without a version',
    { ...withSecret, availableSecrets: secret('projects/p/secrets/token') },
    /version_name/,
  ],
  [
    'an unknown key in a step',
    { steps: [{ ...step, args: ['echo $FOO'] }] },
    /key in the template "FOO" is not a valid built-in substitution/,
  ],
  [
    'the output directory in a step',
    { steps: [{ ...step, args: ['echo >$BUILDER_OUTPUT/output'] }] },
    /"BUILDER_OUTPUT" is not a valid built-in/,
  ],
  ['a key nobody defined', { steps: [{ ...step, args: [braced('_X')] }] }, /"_X" is not matched/],
  ['a key nobody uses', { substitutions: { _X: 'x' } }, /"_X" in the substitution data/],
  ['a key without underscore', { substitutions: { X: 'x' } }, /key "X" is not a valid built-in/],
])('%s is refused', async ([, build, words], t) => {
  const { create, builds } = await openCloudBuild(t);
  await t
    .expect(create(aBuild(build)))
    .rejects.toMatchObject({ code: 3, details: t.expect.stringMatching(words) });
  t.expect(builds.all()).toEqual([]);
});

test.for<[string, AskedBuild]>([
  [
    'an account with its own bucket',
    { serviceAccount: account, logsBucket: 'gs://logs/of/builds' },
  ],
  [
    'an account with Cloud Logging',
    { serviceAccount: account, options: { logging: 'CLOUD_LOGGING_ONLY' } },
  ],
  [
    'an account with a regional bucket',
    {
      serviceAccount: account,
      options: { defaultLogsBucketBehavior: 'REGIONAL_USER_OWNED_BUCKET' },
    },
  ],
  ['a day', { timeout: { seconds: 86_400 } }],
  ['a tag of 128 characters', { tags: ['a'.repeat(128), '_a.b-c'] }],
  ['a secret', { ...withSecret, availableSecrets: secret(VERSION) }],
  ['a script, in which nothing is replaced', { steps: [{ ...step, script: 'echo $FOO' }] }],
  [
    'an unknown key when all is loose',
    {
      steps: [{ ...step, args: [`$FOO ${braced('_X')}`] }],
      options: { substitutionOption: 'ALLOW_LOOSE' },
    },
  ],
])('%s is taken', async ([, build], t) => {
  const { create, builds } = await openCloudBuild(t, { secrets: { [VERSION]: 's' } });
  const { status } = await builds.finished(await create(aBuild(build)));
  t.expect(status).toBe('SUCCESS');
});

test('substitutions are filled in before the build is kept', async (t) => {
  const { create, builds } = await openCloudBuild(t);
  const id = await create(
    aBuild({
      steps: [
        {
          ...step,
          args: [
            `$PROJECT_ID-${braced('BUILD_ID')}`,
            '$$HOME $$$_A',
            `$lower $1 ${braced('lower')}`,
          ],
        },
      ],
      substitutions: { _A: 'a' },
      tags: ['in-$LOCATION'],
    }),
  );
  t.expect(await builds.finished(id)).toMatchObject({
    steps: [{ args: [`test-project-${id}`, '$HOME $a', `$lower $1 ${braced('lower')}`] }],
    tags: ['in-europe-west4'],
  });
});

test('a secret nobody has fails the build', async (t) => {
  const { create, builds } = await openCloudBuild(t);
  const id = await create({ ...withSecret, availableSecrets: secret(VERSION) });
  const { status, statusDetail } = await builds.finished(id);
  t.expect(status).toBe('FAILURE');
  t.expect(statusDetail).toContain(`failed to access secret version for secret ${VERSION}`);
});
