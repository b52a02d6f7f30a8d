import * as z from 'zod';
import { isAppError } from '../errors/app-error.ts';
import { parseCommentedJson } from '../experiments/json-text.ts';
import { isJsonList, isJsonObject, type JsonValue } from '../experiments/json-value.ts';
import { APT_PACKAGE_HINT, isAptPackage } from '../image/apt-package.ts';
import { parseImageReference } from '../image/reference.ts';
import { baseImageFor, type Mode } from './base-image.ts';
import { projectConfigInvalid } from './config-problems.ts';

/** Where a project says what its image is made from, in the directory that caliban runs in. */
export const PROJECT_CONFIG_FILE = '.calibanconfig.json';

/** What a project file says about one mode. */
export interface ProjectConfig {
  /** As written; null: the service's own. */
  readonly baseImage: string | null;
  readonly aptPackages: readonly string[];
  /** As in `3.12`: picks the tag of the default base image; null: the service's. */
  readonly pythonVersion: string | null;
  /** Keys of the file that this version reads and does not act on. */
  readonly unused: readonly string[];
}

const text = z
  .string('must be text')
  .min(1, 'must not be empty')
  .max(500, 'must have at most 500 characters');
const packageName = text.refine((name) => name === '' || isAptPackage(name), {
  error: 'must be the name of an apt package',
  params: { hint: APT_PACKAGE_HINT },
});
const imageName = text.superRefine((name, context) => {
  if (name === '') return; // has its own words
  try {
    // Both modes are letters: what is a name with the one is a name with the other.
    parseImageReference(baseImageFor('cpu', name, 'base_image') ?? '');
  } catch (error) {
    if (!isAppError(error)) throw error;
    context.addIssue({
      code: 'custom',
      message: 'must be the name of an image',
      params: { hint: error.hint },
    });
  }
});
const packages = z
  .array(packageName, 'must be a list of package names')
  .max(500, 'must have at most 500 names');

// A value for both modes is written once; it is spread over them before this schema sees it.
const schema = z.strictObject({
  apt_packages: z
    .strictObject(
      { gpu: packages.optional(), cpu: packages.optional() },
      wrongKind('a list of package names'),
    )
    .optional(),
  base_image: z
    .strictObject(
      { gpu: imageName.optional(), cpu: imageName.optional() },
      wrongKind('the name of an image'),
    )
    .optional(),
  python_version: text.regex(/^\d+\.\d+(\.\d+)?$/, 'must be a version as in "3.12"').optional(),
  mlflow_config: z
    .strictObject({
      project: text,
      region: text,
      db: text,
      user: text,
      password: text,
      artifact_root: text,
      debug: z.boolean('must be true or false').optional(),
    })
    .optional(),
  uv: z
    .strictObject({
      mlflow: z
        .strictObject({ pubsub_project: text.optional(), pubsub_topic: text.optional() })
        .optional(),
    })
    .optional(),
  build_time_credentials: z.boolean('must be true or false').optional(),
  julia_version: text.optional(),
  default_mode: text.regex(/^\s*(cpu|gpu)\s*$/i, 'must be "cpu" or "gpu"').optional(),
  gcloud: z.strictObject({ project_id: text.optional(), cloud_key: text.optional() }).optional(),
});

function wrongKind(what: string) {
  const message = `must be ${what}, or an object with one under "cpu" and "gpu"`;
  return {
    error: (issue: { readonly code: string }) =>
      issue.code === 'invalid_type' ? message : undefined,
  };
}

const USED = ['apt_packages', 'base_image', 'python_version'];
const KEYS = Object.keys(schema.shape);

/**
 * Reads the text of a `.calibanconfig.json` (JSON with `#` and `//` comments) for one mode. Throws CONFIG_SYNTAX and CONFIG_INVALID with
 * line, column, key and fix.
 */
export function parseProjectConfig(content: string, forMode: Mode): ProjectConfig {
  const document = parseCommentedJson(content, PROJECT_CONFIG_FILE);
  const parsed = schema.safeParse(forBothModes(plain(document.root)));
  if (!parsed.success)
    throw projectConfigInvalid(
      { document, file: PROJECT_CONFIG_FILE, keys: KEYS },
      parsed.error.issues,
    );
  const { apt_packages: apt, base_image: base, python_version: python } = parsed.data;
  return {
    baseImage: baseImageFor(forMode, base?.[forMode] ?? null, `${PROJECT_CONFIG_FILE}: base_image`),
    aptPackages: apt?.[forMode] ?? [],
    pythonVersion: python ?? null,
    unused: Object.keys(parsed.data).filter((key) => !USED.includes(key)),
  };
}

// `[...]` and `"..."` count for both modes.
function forBothModes(file: unknown): unknown {
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return file;
  const spread = Object.entries(file).map(([key, value]) => {
    const isShort =
      (key === 'apt_packages' && Array.isArray(value)) ||
      (key === 'base_image' && typeof value === 'string');
    return [key, isShort ? { cpu: value, gpu: value } : value];
  });
  return Object.fromEntries(spread);
}

function plain(value: JsonValue): unknown {
  if (isJsonList(value)) return value.items.map(plain);
  if (isJsonObject(value))
    return Object.fromEntries(value.members.map((member) => [member.key, plain(member.value)]));
  return typeof value === 'object' && value !== null ? Number(value.digits) : value;
}
