import { createHash } from 'node:crypto';
import type { protos } from '@google-cloud/cloudbuild';
import { BUILD_CONTEXT } from '../../../shared/image/dependency-dockerfile.ts';
import { shellLine, shellQuote } from '../../../shared/text/shell-quote.ts';
import { cacheImageName, dependencyImageName } from './image-names.ts';

/** A build, as Cloud Build's API takes it. */
export type BuildRequest = protos.google.devtools.cloudbuild.v1.IBuild;

/** What the service says of all its builds. */
export interface BuildSettings {
  readonly projectId: string;
  /** Where images go, as in `us-central1-docker.pkg.dev/PROJECT/caliban`. */
  readonly repository: string;
  /** E-mail address or resource name of the account that builds run as; null: the project's default one. */
  readonly serviceAccount: string | null;
  /** Bucket that gets the logs of builds. */
  readonly logsBucket: string;
  /** Image of the build's step: the Docker CLI with buildx, pinned. */
  readonly builderImage: string;
  /** Image of BuildKit; null: the one that buildx names. */
  readonly buildkitImage?: string | null;
  readonly timeoutMs: number;
  /** Version of a secret with the URL of the package index, as in `projects/P/secrets/S/versions/V`; null: the usual index. */
  readonly indexUrlSecret: string | null;
}

/** One build to make. */
export interface WantedBuild {
  readonly key: string;
  readonly attempt: number;
  /** The base as asked for, and its digest. */
  readonly base: { readonly reference: string; readonly digest: string };
  /** Where its context is. */
  readonly context: {
    readonly bucket: string;
    readonly object: string;
    readonly generation: string;
  };
}

/** Platform of all dependency images: the one of the jobs' machines. */
export const BUILD_PLATFORM = 'linux/amd64';

const QUEUE_SECONDS = 3600;
const INDEX_VARIABLE = 'CALIBAN_INDEX_URL';
const BASE_VARIABLE = 'CALIBAN_BASE';

/**
 * The build of a dependency image. Its step makes a builder of its own, because only such ones keep what all stages made in the
 * registry; it pushes the image under the key, last of all, and tells the digest as the step's output. The builder's container is not in
 * the network `cloudbuild`, so that what a package runs as it is built cannot ask the machine who it is. Tags are how it is found again.
 */
export function buildRequest(settings: BuildSettings, wanted: WantedBuild): BuildRequest {
  const { serviceAccount, logsBucket, builderImage, timeoutMs, indexUrlSecret } = settings;
  const secrets =
    indexUrlSecret === null ? [] : [{ versionName: indexUrlSecret, env: INDEX_VARIABLE }];
  return {
    source: { storageSource: wanted.context },
    steps: [
      {
        name: builderImage,
        entrypoint: 'sh',
        args: ['-c', verbatim(buildScript(settings, wanted))],
        env: [verbatim(`${BASE_VARIABLE}=${wanted.base.reference}`)],
        secretEnv: secrets.map(({ env }) => env),
      },
    ],
    ...(secrets.length === 0 ? {} : { availableSecrets: { secretManager: secrets } }),
    ...(serviceAccount === null ? {} : { serviceAccount: accountName(settings, serviceAccount) }),
    logsBucket: `gs://${logsBucket}`,
    options: { logging: 'GCS_ONLY', logStreamingOption: 'STREAM_ON' },
    timeout: { seconds: Math.ceil(timeoutMs / 1000) },
    queueTtl: { seconds: QUEUE_SECONDS },
    tags: [...keyTags(settings.repository, wanted.key), attemptTag(wanted.attempt)],
  };
}

/** Tags of all builds of a key for a repository: several services may share a project. */
export function keyTags(repository: string, key: string): readonly string[] {
  const hash = createHash('sha256').update(repository).digest('hex').slice(0, 16);
  return ['caliban', `repository-${hash}`, `key-${key}`];
}

/** The attempt that a build's tags tell; 0: none. */
export function attemptOf(tags: readonly string[]): number {
  const [, attempt] = tags.map((tag) => /^attempt-(\d+)$/.exec(tag)).find(Boolean) ?? [];
  return Number(attempt ?? 0);
}

/** The base image, as asked for, that a build's variables tell. */
export function baseOf(env: readonly string[]): string | null {
  const found = env.find((entry) => entry.startsWith(`${BASE_VARIABLE}=`));
  return found === undefined ? null : found.slice(BASE_VARIABLE.length + 1).replaceAll('$$', '$');
}

function attemptTag(attempt: number): string {
  return `attempt-${attempt}`;
}

function buildScript(settings: BuildSettings, { key, base }: WantedBuild): string {
  const { repository, buildkitImage = null, indexUrlSecret } = settings;
  const cache = `type=registry,ref=${cacheImageName(repository, base.digest)}`;
  const kit = buildkitImage === null ? [] : ['--driver-opt', `image=${buildkitImage}`];
  const secret = `id=${BUILD_CONTEXT.indexSecret},env=${INDEX_VARIABLE}`;
  const create = [
    'docker',
    'buildx',
    'create',
    '--name',
    'caliban',
    '--driver',
    'docker-container',
  ];
  const build = [
    ...['docker', 'buildx', 'build', '--builder', 'caliban', '--progress', 'plain'],
    ...['--platform', BUILD_PLATFORM, '--provenance=false', '--sbom=false'],
    ...['--label', 'dev.caliban.kind=dependencies', '--label', `dev.caliban.key=${key}`],
    ...[
      '--cache-from',
      cache,
      '--cache-to',
      `${cache},mode=max,image-manifest=true,ignore-error=true`,
    ],
    ...(indexUrlSecret === null ? [] : ['--secret', secret]),
    ...['--tag', dependencyImageName(repository, key), '--push'],
  ];
  const digest = 's/.*"containerimage.digest": *"\\(sha256:[0-9a-f]*\\)".*/\\1/p';
  return [
    'set -eu',
    `${shellLine([...create, ...kit])} > /dev/null`,
    'metadata=$(mktemp)',
    `${shellLine(build)} --metadata-file "$metadata" .`,
    `sed -n ${shellQuote(digest)} "$metadata" > "$BUILDER_OUTPUT/output"`,
    '',
  ].join('\n');
}

/** A text in which Cloud Build replaces nothing. */
function verbatim(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function accountName({ projectId }: BuildSettings, account: string): string {
  return account.startsWith('projects/')
    ? account
    : `projects/${projectId}/serviceAccounts/${account}`;
}
