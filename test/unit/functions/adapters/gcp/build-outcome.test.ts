import { describe, test } from 'vitest';
import type { CloudBuild } from '../../../../../functions/adapters/gcp/build-client.ts';
import {
  buildOutput,
  wholeCharacters,
} from '../../../../../functions/adapters/gcp/build-log-text.ts';
import { buildFailure } from '../../../../../functions/adapters/gcp/build-outcome.ts';

const NAMES = {
  repository: 'europe-docker.pkg.dev/project/caliban',
  serviceAccount: 'projects/project/serviceAccounts/builds@project.iam.gserviceaccount.com',
  logsBucket: 'logs',
  timeoutMs: 3_600_000,
};

function ended(status: string, type = '', detail = 'the detail'): CloudBuild {
  const times = { createdAt: 1, finishedAt: 2 };
  return { id: 'b', attempt: 1, status, ...times, failure: { type, detail }, base: 'mine:1' };
}

const CLOUD_LOG = (said: string) => `starting build "b"

FETCHSOURCE
Fetching storage object: gs://contexts/x.tar.gz#7
BUILD
Pulling image: docker.io/library/docker:28.5.1-cli
#8 [3/3] RUN exec 2>&1;
${said}
ERROR
ERROR: build step 0 "docker.io/library/docker:28.5.1-cli" failed: step exited with non-zero status: 1
`;
const STEP = 'USER_BUILD_STEP';
const FAILED_RUN = `#4 importing cache manifest from europe-docker.pkg.dev/project/caliban/cache:base-b
#4 ERROR: failed to configure registry cache importer: europe-docker.pkg.dev/project/caliban/cache:base-b: not found
#8 0.303 caliban: the base image has no python3
#8 ERROR: process "/bin/sh" did not complete successfully: exit code: 1
ERROR: failed to build: failed to solve: process "/bin/sh" did not complete successfully: exit code: 1`;
const DENIED = `#12 pushing layers
#12 ERROR: failed to push europe-docker.pkg.dev/project/caliban/deps:k: denied: Permission "artifactregistry.repositories.uploadArtifacts" denied
ERROR: failed to build: failed to solve: failed to push europe-docker.pkg.dev/project/caliban/deps:k: denied: Permission "artifactregistry.repositories.uploadArtifacts" denied`;

describe('a build that failed', () => {
  test.for<
    readonly [
      name: string,
      build: CloudBuild,
      log: string,
      retryable: boolean,
      words: RegExp,
      hint: RegExp | null,
    ]
  >([
    ['well, without an image', ended('SUCCESS'), '', true, /not in the registry/, /again/],
    ['late', ended('TIMEOUT'), '', false, /longer than 60 minutes/, /time limit/],
    ['cancelled', ended('CANCELLED'), '', true, /cancelled/, null],
    ['in the queue', ended('EXPIRED'), '', true, /waited too long/, /again/],
    ['within Cloud Build', ended('INTERNAL_ERROR'), '', true, /the detail/, /again/],
    [
      'in its step',
      ended('FAILURE', STEP),
      CLOUD_LOG(FAILED_RUN),
      false,
      /^The base image mine:1 has no python3\.$/,
      /Name a base image/,
    ],
    [
      'before its step',
      ended('FAILURE', STEP),
      '',
      false,
      /could not begin: the detail/,
      /build step/,
    ],
    [
      'as it pushed, denied',
      ended('FAILURE', STEP),
      CLOUD_LOG(DENIED),
      false,
      /may not push to europe-docker.*uploadArtifacts/,
      /builds@project.* roles\/artifactregistry\.writer/,
    ],
    [
      'denied by Cloud Build',
      ended('FAILURE', 'PUSH_NOT_AUTHORIZED'),
      '',
      false,
      /may not push/,
      /artifactregistry\.writer/,
    ],
    ['as it pushed', ended('FAILURE', 'PUSH_FAILED'), '', true, /could not be pushed/, /again/],
    [
      'without its source',
      ended('FAILURE', 'FETCH_SOURCE_FAILED'),
      '',
      true,
      /context: the detail/,
      /storage\.objectViewer/,
    ],
    [
      'without its log',
      ended('FAILURE', 'LOGGING_FAILURE'),
      '',
      true,
      /log of the build/,
      /storage\.objectAdmin/,
    ],
    ['for no reason', ended('FAILURE'), '', true, /the detail/, /again/],
    ['in a way yet unknown', ended('NEW_STATUS', '', ''), '', true, /NEW_STATUS/, /again/],
    [
      'as the network went',
      ended('FAILURE', STEP),
      CLOUD_LOG('#8 0.3 error: Request failed after 3 retries\n#8 ERROR: process'),
      true,
      /Request failed/,
      /tried again/,
    ],
  ])('%s', ([, build, log, retryable, words, hint], { expect }) => {
    const failure = buildFailure(build, log, NAMES);
    expect(failure.message).toMatch(words);
    expect(failure.retryable).toBe(retryable);
    if (hint === null) expect(failure.hint).toBeNull();
    else expect(failure.hint).toMatch(hint);
    expect(failure.hint ?? '').not.toContain('docker system df');
  });
});

test('the output of steps is what programs said', ({ expect }) => {
  const log = CLOUD_LOG('Step #0 - "build": #1 0.1 hello\nStep #1: DONE it is');
  expect(buildOutput(log).split('\n').filter(Boolean)).toEqual([
    '#8 [3/3] RUN exec 2>&1;',
    '#1 0.1 hello',
    'DONE it is',
  ]);
});

test('text is cut between characters only', ({ expect }) => {
  const bytes = Buffer.from('aü€😀');
  const ends = [...bytes.keys(), bytes.length].map((end) =>
    wholeCharacters(bytes.subarray(0, end)),
  );
  const texts = ends.map((part) => new TextDecoder('utf-8', { fatal: true }).decode(part));
  expect([...new Set(texts)]).toEqual(['', 'a', 'aü', 'aü€', 'aü€😀']);
  expect(wholeCharacters(Buffer.alloc(9, 0x80))).toHaveLength(9);
});
