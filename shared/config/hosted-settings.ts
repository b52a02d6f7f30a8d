import * as z from 'zod';
import { AppError } from '../errors/app-error.ts';

const PROJECT = /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/;
const REGION = /^[a-z]+-[a-z]+[0-9]+$/;
const BUCKET = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/;
const EMAIL = /^[^@\s]+@[^@\s]+$/;

const project = z.string().regex(PROJECT, 'must be a project id');
const region = z.string().regex(REGION, 'must be a region, as in us-central1');
const bucket = z.string().regex(BUCKET, 'must be the name of a bucket, without gs://');
const serviceAccount = z.string().regex(EMAIL, 'must be the e-mail address of a service account');
const secretVersion = z
  .string()
  .regex(
    /^projects\/[^/]+\/secrets\/[^/]+\/versions\/[^/]+$/,
    'must name a secret: projects/PROJECT/secrets/SECRET/versions/VERSION',
  );
const seconds = z.int().min(1);

/** Hosts of private endpoints, `HOST` or `HOST:PORT`; null: Google's public ones. Storage: a base URL. */
const endpoints = z.strictObject({
  storage: z.url().nullable().default(null),
  vertex: z.string().nullable().default(null),
  cloudBuild: z.string().nullable().default(null),
  logging: z.string().nullable().default(null),
});

const images = z.strictObject({
  /** Where images are kept, as in us-central1-docker.pkg.dev/PROJECT/caliban. */
  repository: z.string().min(1),
  /** `google`: with an access token of the service; `none`: the registry asks for none. */
  signIn: z.enum(['google', 'none']).default('google'),
  /** Base image where a project names none; `{}` in it stands for cpu or gpu. Null: a public Python image. */
  baseImage: z.string().min(1).nullable().default(null),
  /** File with the certificate authorities that builds and jobs trust (PEM), such as a mounted secret. */
  caBundle: z.string().min(1).nullable().default(null),
  /** Secret whose value is the URL of the package index, with its user and password if it needs any. */
  indexUrlSecret: secretVersion.nullable().default(null),
});

const builds = z.strictObject({
  region,
  serviceAccount: serviceAccount.nullable().default(null),
  logsBucket: bucket,
  contextBucket: bucket,
  /** Image of the build step: a Docker CLI with buildx. */
  stepImage: z.string().min(1).default('docker.io/library/docker:28.5.1-cli'),
  /** Image of BuildKit that the step starts; null: the one that its buildx names. */
  buildkitImage: z.string().min(1).nullable().default(null),
  timeoutSeconds: seconds.max(86_400).default(3_600),
});

const vertex = z.strictObject({
  /** Projects that jobs may run in, the default first. */
  projects: z.array(project).min(1).max(20),
  /** Regions that jobs may run in, the default first. */
  regions: z.array(region).min(1).max(40),
  serviceAccount: serviceAccount.nullable().default(null),
  network: z.string().min(1).nullable().default(null),
  /** Where jobs find room for what they make: gs://BUCKET/PREFIX; each attempt has a directory of its own. */
  outputDirectory: z
    .string()
    .regex(/^gs:\/\/[a-z0-9][a-z0-9._-]+(?:\/[^\s]*)?$/, 'must be gs://BUCKET/PREFIX')
    .nullable()
    .default(null),
  scheduling: z.enum(['standard', 'spot', 'flex-start']).default('standard'),
  /** Vertex's own limit of a job's time is 7 days. */
  timeoutSeconds: seconds.max(7 * 86_400).default(7 * 86_400),
  /** Creates in a minute; Vertex's usual quota is 60 for each project and region, which deletes share. */
  ratePerMinute: z.int().min(1).max(6_000).nullable().default(50),
  maxActive: z.int().min(1).max(100_000).default(1_000),
});

/** Who may call the internal routes: Pub/Sub and Cloud Scheduler, as one service account. */
const callers = z.strictObject({
  issuer: z.url().default('https://accounts.google.com'),
  /** Null: as the issuer's discovery document says. */
  jwksUri: z.url().nullable().default('https://www.googleapis.com/oauth2/v3/certs'),
  audience: z.string().min(1),
  emails: z.array(z.string().regex(EMAIL, 'must be an e-mail address')).min(1).max(10),
});

const token = z.strictObject({
  /** sha256 of the token, in hex: the setting holds no secret. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the sha256 of a token, 64 hex digits'),
  principal: z.string().min(1).max(200),
  role: z.enum(['viewer', 'submitter', 'admin']),
});

/** What a hosted service is told: the value of the variable CALIBAN_SETTINGS, as JSON. No value in it is a secret. */
export const hostedSettings = z.strictObject({
  schemaVersion: z.literal(1),
  project,
  /** Tells this service's cloud jobs from those of another one in the same project. */
  instance: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short name in lower case')
    .default('caliban'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  database: z.string().min(1).default('(default)'),
  layersBucket: bucket,
  /** The topic of a kind of message is PREFIX-KIND. */
  topicPrefix: z
    .string()
    .regex(/^[a-z][a-z0-9-]{2,100}$/)
    .default('caliban'),
  images,
  builds,
  vertex,
  callers,
  tokens: z.array(token).max(500).default([]),
  endpoints: endpoints.prefault({}),
});

/** The settings of a hosted service, complete. */
export type HostedSettings = z.infer<typeof hostedSettings>;

/** Reads the settings of a hosted service. Throws AppError SETTINGS_INVALID, which names every value that is wrong. */
export function readHostedSettings(text: string | undefined): HostedSettings {
  if (text === undefined || text === '') throw refused(['CALIBAN_SETTINGS is not set']);
  const checked = hostedSettings.safeParse(parsed(text));
  if (checked.success) return checked.data;
  throw refused(
    checked.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.join('.')}: ${message}`,
    ),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refused([`CALIBAN_SETTINGS is no JSON: ${cause instanceof Error ? cause.message : ''}`]);
  }
}

function refused(problems: readonly string[]): AppError {
  return new AppError('SETTINGS_INVALID', `The settings of this service: ${problems.join('; ')}.`, {
    hint: 'Correct the variable CALIBAN_SETTINGS; docs/hosted.md lists what it holds.',
  });
}
