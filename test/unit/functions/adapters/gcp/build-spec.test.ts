import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import {
  attemptOf,
  type BuildSettings,
  baseOf,
  buildRequest,
  keyTags,
  type WantedBuild,
} from '../../../../../functions/adapters/gcp/build-spec.ts';

const SETTINGS: BuildSettings = {
  projectId: 'project',
  repository: 'europe-docker.pkg.dev/project/caliban',
  serviceAccount: 'builds@project.iam.gserviceaccount.com',
  logsBucket: 'logs',
  builderImage: 'docker.io/library/docker:28.5.1-cli',
  timeoutMs: 90_000,
  indexUrlSecret: null,
};
const WANTED: WantedBuild = {
  key: 'a'.repeat(64),
  attempt: 3,
  base: { reference: 'python:3.12', digest: `sha256:${'b'.repeat(64)}` },
  context: { bucket: 'contexts', object: 'x.tar.gz', generation: '7' },
};
// All that a shell, a Dockerfile, a list of options or Cloud Build could take for something else.
const HOSTILE = [
  '$(touch x)',
  '`id`',
  "'; touch x; '",
  '"$PROJECT_ID"',
  '$$',
  '$' + '{_A}',
  'a b',
  '-x',
  'ü\n#',
];

/** What Cloud Build makes of a text: a name in capitals is replaced, two dollars are one. */
function substituted(text: string): string {
  return text.replace(/\$\$|\$\{?[A-Z_][A-Z0-9_]*\}?/g, (found) =>
    found === '$$' ? '$' : 'REPLACED',
  );
}

/** Runs the step with a `docker` that notes its words; gives those, and the step's output. */
async function ran(settings: BuildSettings, wanted: WantedBuild) {
  const [step] = buildRequest(settings, wanted).steps ?? [];
  const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  try {
    const docker = [
      '#!/bin/sh',
      `printf '%s\\0' "$@" >> ${dir}/words; printf '\\0' >> ${dir}/words`,
      'while [ $# -gt 0 ]; do [ "$1" = --metadata-file ] && m=$2; shift; done',
      '[ -z "$m" ] || printf \'{\\n  "containerimage.digest": "sha256:%s",\\n}\' abc > "$m"',
    ];
    await writeFile(join(dir, 'docker'), docker.join('\n'), { mode: 0o755 });
    const args = (step?.args ?? []).map(substituted);
    const env = { PATH: `${dir}:/usr/bin:/bin`, BUILDER_OUTPUT: dir };
    await promisify(execFile)(step?.entrypoint ?? '', args, { cwd: dir, env });
    const calls = (await readFile(join(dir, 'words'), 'utf8')).split('\0\0').slice(0, -1);
    const output = await readFile(join(dir, 'output'), 'utf8');
    return { calls: calls.map((words) => words.split('\0')), output };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

describe('the build of a dependency image', () => {
  test('makes a builder, builds and pushes, and tells the digest', async ({ expect }) => {
    const { calls, output } = await ran(SETTINGS, WANTED);
    expect(calls[0]).toEqual([
      ...['buildx', 'create', '--name', 'caliban', '--driver', 'docker-container'],
    ]);
    const cache = `type=registry,ref=${SETTINGS.repository}/cache:base-${'b'.repeat(32)}`;
    expect(calls[1]?.join(' ')).toContain(`--cache-from ${cache} --cache-to ${cache},mode=max`);
    const image = `${SETTINGS.repository}/deps:${WANTED.key}`;
    expect(calls[1]?.join(' ')).toContain(`--tag ${image} --push --metadata-file /tmp/`);
    expect(calls[1]?.at(-1)).toBe('.');
    expect(output).toBe('sha256:abc\n');
  });

  test('has its account, logs, limits, source and tags', ({ expect }) => {
    expect(buildRequest(SETTINGS, WANTED)).toMatchObject({
      source: { storageSource: WANTED.context },
      serviceAccount: 'projects/project/serviceAccounts/builds@project.iam.gserviceaccount.com',
      logsBucket: 'gs://logs',
      options: { logging: 'GCS_ONLY', logStreamingOption: 'STREAM_ON' },
      timeout: { seconds: 90 },
      tags: [...keyTags(SETTINGS.repository, WANTED.key), 'attempt-3'],
    });
    expect(keyTags('other', WANTED.key)).not.toEqual(keyTags(SETTINGS.repository, WANTED.key));
    expect(attemptOf(['caliban', 'attempt-12'])).toBe(12);
    expect(attemptOf(['attempt-1x'])).toBe(0);
  });

  test('names the secret of its index, and never a value', async ({ expect }) => {
    const indexUrlSecret = 'projects/project/secrets/index/versions/2';
    const request = buildRequest({ ...SETTINGS, indexUrlSecret }, WANTED);
    expect(request.availableSecrets).toEqual({
      secretManager: [{ versionName: indexUrlSecret, env: 'CALIBAN_INDEX_URL' }],
    });
    expect(request.steps?.[0]?.secretEnv).toEqual(['CALIBAN_INDEX_URL']);
    const { calls } = await ran({ ...SETTINGS, indexUrlSecret }, WANTED);
    expect(calls[1]?.join(' ')).toContain('--secret id=index_url,env=CALIBAN_INDEX_URL');
    expect(buildRequest(SETTINGS, WANTED).availableSecrets).toBeUndefined();
  });

  test.for(HOSTILE)('%j stays one word wherever it stands', async (text, { expect }) => {
    const settings = { ...SETTINGS, repository: `r/${text}`, buildkitImage: text };
    const base = { reference: text, digest: `sha256:${text}` };
    const wanted = { ...WANTED, key: `k${text}`, base };
    const { calls } = await ran(settings, wanted);
    expect(calls).toHaveLength(2);
    expect(calls[0]?.at(-1)).toBe(`image=${text}`);
    expect(calls[1]).toContain(`r/${text}/deps:k${text}`);
    expect(calls[1]).toContain(`dev.caliban.key=k${text}`);
    const [step] = buildRequest(settings, wanted).steps ?? [];
    expect(baseOf(step?.env ?? [])).toBe(text);
    expect((step?.env ?? []).map(substituted)).toEqual([`CALIBAN_BASE=${text}`]);
  });
});
