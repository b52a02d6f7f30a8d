import * as z from 'zod';
import { PLATFORM_KINDS } from '../jobs/platform-kind.ts';
import { countsView, groupRef } from './groups.ts';
import { LIMITS } from './limits.ts';
import { count, instant, sha256Hex } from './page.ts';
import { groupName, isWellFormed, NO_CONTROLS, plainText } from './plain-text.ts';

const word = z
  .string()
  .max(LIMITS.argBytes)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no program can be given a NUL.
  .regex(/^[^\u0000]*$/, 'must not contain a NUL character')
  .refine(isWellFormed, 'must be valid Unicode');

/** What a dependency image (or virtualenv) is made from. */
const dependencySpec = z
  .strictObject({
    base: plainText.max(500).nullable(),
    apt: z.array(plainText.min(1).max(200)).max(500),
    python: plainText.max(20).nullable(),
    extras: z.array(plainText.min(1).max(100)).max(50),
    layer: sha256Hex.nullable(),
    requirements: plainText.max(500).nullable(),
  })
  .meta({ id: 'DependencySpec' });

const EXAMPLE = {
  schemaVersion: 1,
  module: 'train.py',
  scriptPath: 'train.py',
  command: ['python', 'train.py'],
  scriptArgs: ['--epochs', '3'],
  config: '{"learning_rate": [0.01, 0.001]}',
  configLayer: null,
  group: 'lr-sweep',
  name: 'first try',
  labels: { team: 'vision' },
  mode: 'cpu',
  hardware: { gpu: null, tpu: null, machineType: null, region: null },
  projectId: null,
  platform: null,
  image: null,
  codeLayers: ['5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'],
  dependencies: {
    base: null,
    apt: [],
    python: null,
    extras: [],
    layer: null,
    requirements: null,
  },
  source: { path: '~/proj', extraDirs: [] },
};

const labelKey = plainText.max(200);

// What the two `refine`s of a submission refuse, for the description.
const REFUSED = {
  anyOf: [
    { properties: { config: { type: 'string' }, configLayer: { type: 'string' } } },
    { properties: { image: { type: 'null' }, codeLayers: { maxItems: 0 } } },
  ],
};

/** `POST /v1/submissions` and `/v1/plans`: one request to run experiments. */
export const submissionSpec = z
  .strictObject({
    schemaVersion: z.literal(1),
    /** The module as typed, the script's path below /usr/app, and the command without arguments. */
    module: plainText.min(1).max(1_000),
    scriptPath: plainText.min(1).max(1_000),
    command: z.array(word.min(1)).min(1).max(10),
    scriptArgs: z.array(word).max(LIMITS.scriptArgs),
    /** The experiment config as text, exactly as written; null: one experiment without flags. */
    config: z.string().meta({ maxLength: LIMITS.inlineConfigBytes }).nullable(),
    /** A config over the inline limit: the layer that holds it as `config.json`. */
    configLayer: sha256Hex.nullable(),
    /** Group name, or OWNER/NAME for a colleague's. */
    group: groupName,
    name: plainText.min(1).max(LIMITS.nameLength).nullable(),
    labels: z
      .record(labelKey, plainText.max(1_000))
      .refine(
        (labels) => Object.keys(labels).length <= LIMITS.labels,
        `at most ${LIMITS.labels} labels`,
      )
      .meta({
        maxProperties: LIMITS.labels,
        propertyNames: { maxLength: labelKey.maxLength, pattern: NO_CONTROLS.source },
      }),
    mode: z.enum(['cpu', 'gpu']),
    hardware: z.strictObject({
      gpu: plainText.max(50).nullable(),
      tpu: plainText.max(50).nullable(),
      machineType: plainText.max(100).nullable(),
      region: plainText.max(100).nullable(),
    }),
    projectId: plainText.max(100).nullable(),
    /** Null: the service's default platform. */
    platform: z.enum(PLATFORM_KINDS).nullable(),
    /** A given image; then layers and dependencies are empty. */
    image: plainText.min(1).max(500).nullable(),
    codeLayers: z.array(sha256Hex).max(LIMITS.codeLayers),
    dependencies: dependencySpec,
    /** Shown by status only: the folder it was packed from, and the extra directories. */
    source: z.strictObject({
      path: plainText.max(4_096),
      extraDirs: z.array(plainText.max(1_000)).max(LIMITS.codeLayers),
    }),
  })
  .refine(({ config, configLayer }) => config === null || configLayer === null, {
    path: ['configLayer'],
    message: 'must be null when config is given',
  })
  .refine(({ image, codeLayers }) => image !== null || codeLayers.length > 0, {
    path: ['codeLayers'],
    message: 'must not be empty without an image: there is no code to run',
  })
  .meta({ id: 'SubmissionSpec', not: REFUSED, example: EXAMPLE });

/** A submission as sent. */
export type SubmissionSpec = z.infer<typeof submissionSpec>;

/** Where a submission stands. `done`: every job has ended. */
export const submissionView = z
  .object({
    id: z.string(),
    group: groupRef,
    name: z.string().nullable(),
    platform: z.enum(PLATFORM_KINDS),
    lane: z.string(),
    /** Experiments of the config; `created` of them are jobs by now. */
    jobs: count,
    expanded: z.boolean(),
    image: z.object({
      state: z.enum(['waiting', 'ready', 'failed']),
      reference: z.string().nullable(),
      message: z.string().nullable(),
    }),
    counts: countsView,
    ending: z.enum(['none', 'requested', 'done']),
    done: z.boolean(),
    acceptedAt: instant,
  })
  .meta({ id: 'Submission' });

/** A submission as shown. */
export type SubmissionView = z.infer<typeof submissionView>;

/** `POST /v1/plans`: everything a submission would do, without doing it. */
export const planView = z
  .object({
    jobs: count,
    group: z.object({ name: z.string(), exists: z.boolean() }),
    platform: z.enum(PLATFORM_KINDS),
    lane: z.string(),
    image: z.object({
      action: z.enum(['given', 'cached', 'build', 'none']),
      /** One sentence: what happens to the image or environment. */
      message: z.string(),
    }),
    missingLayers: z.array(sha256Hex),
    /** First jobs: index and the whole command line, quoted for a shell. */
    samples: z.array(
      z.object({
        index: count,
        command: z.string(),
        labels: z.record(z.string(), z.string()),
      }),
    ),
  })
  .meta({ id: 'Plan' });

/** What a submission would do. */
export type PlanView = z.infer<typeof planView>;
