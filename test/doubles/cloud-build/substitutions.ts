import { invalidArgument } from '../google-api/api-status.ts';
import type { Build, BuildStep } from './build-record.ts';

const BUILT_IN = [
  ...['PROJECT_ID', 'BUILD_ID', 'PROJECT_NUMBER', 'LOCATION'],
  ...['TRIGGER_NAME', 'COMMIT_SHA', 'REVISION_ID', 'SHORT_SHA', 'REPO_NAME', 'REPO_FULL_NAME'],
  ...['BRANCH_NAME', 'TAG_NAME', 'REF_NAME', 'TRIGGER_BUILD_CONFIG_PATH'],
  ...['SERVICE_ACCOUNT', 'SERVICE_ACCOUNT_EMAIL'],
];
const TEMPLATE = /\$\$|\$(?:\{([A-Z_][A-Z0-9_]*)\}|([A-Z_][A-Z0-9_]*))/g;
const USER_KEY = /^_[A-Z0-9_]+$/;
const MAX_PARAMETERS = 200;
const MAX_KEY_BYTES = 100;
const MAX_VALUE_BYTES = 4000;

/** Values of the substitutions that every build has; the ones only triggers give are empty. */
export type BuiltInValues = Readonly<Record<string, string>>;

/**
 * The build with `$KEY` and `${KEY}` replaced in everything but scripts; `$$` gives one `$`. Throws INVALID_ARGUMENT for a key that
 * is neither built in nor defined, and, unless ALLOW_LOOSE, for one that is defined and not used.
 * https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values (excerpts, 2026-12; README.md)
 */
export function substituted(build: Build, builtIn: BuiltInValues): Build {
  const loose = build.options?.substitutionOption === 'ALLOW_LOOSE';
  checkKeys(build.substitutions);
  const used = new Set<string>();
  const fill = (text: string) =>
    text.replace(TEMPLATE, (match, braced?: string, bare?: string) => {
      if (match === '$$') return '$';
      const key = braced ?? bare ?? '';
      used.add(key);
      return substitutionOf(key, { build, builtIn, loose });
    });
  const filled = filledBuild(build, fill);
  if (!loose && !automaps(build)) checkUsed(build.substitutions, used);
  return filled;
}

/** Environment of a step that asks for its substitutions as variables. */
export function automapped(build: Build, step: BuildStep, builtIn: BuiltInValues): string[] {
  const wanted = step.automapSubstitutions ?? build.options?.automapSubstitutions ?? false;
  if (!wanted) return [];
  const all = { ...builtIn, ...build.substitutions };
  return Object.entries(all).map(([key, value]) => `${key}=${value}`);
}

function automaps({ options, steps }: Build): boolean {
  return options?.automapSubstitutions === true || steps.some((step) => step.automapSubstitutions);
}

function checkKeys(substitutions: Build['substitutions']): void {
  const entries = Object.entries(substitutions);
  if (entries.length > MAX_PARAMETERS) {
    throw invalid(`number of parameters ${entries.length} exceeds maximum ${MAX_PARAMETERS}`);
  }
  for (const [key, value] of entries) {
    if (!USER_KEY.test(key) && !BUILT_IN.includes(key)) {
      throw invalid(`key ${JSON.stringify(key)} is not a valid built-in substitution`);
    }
    if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw invalid(`key ${key} is too long`);
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES) throw invalid(`value of ${key} is too long`);
  }
}

interface Known {
  readonly build: Build;
  readonly builtIn: BuiltInValues;
  readonly loose: boolean;
}

function substitutionOf(key: string, { build, builtIn, loose }: Known): string {
  const value = builtIn[key] ?? build.substitutions[key];
  if (value !== undefined) return value;
  if (BUILT_IN.includes(key) || loose) return '';
  const quoted = JSON.stringify(key);
  throw invalid(
    key.startsWith('_')
      ? `key in the template ${quoted} is not matched in the substitution data`
      : `key in the template ${quoted} is not a valid built-in substitution`,
  );
}

function checkUsed(substitutions: Build['substitutions'], used: ReadonlySet<string>): void {
  const unused = Object.keys(substitutions).find((key) => !used.has(key));
  if (unused === undefined) return;
  throw invalid(
    `key ${JSON.stringify(unused)} in the substitution data is not matched in the template`,
  );
}

function filledBuild(build: Build, fill: (text: string) => string): Build {
  const { availableSecrets, options, source } = build;
  const storageSource = source?.storageSource;
  return {
    ...build,
    steps: build.steps.map((step) => filledStep(step, fill)),
    images: build.images.map(fill),
    tags: build.tags.map(fill),
    logsBucket: fill(build.logsBucket),
    serviceAccount: fill(build.serviceAccount),
    options: options === null ? null : { ...options, env: options.env.map(fill) },
    source: storageSource
      ? { ...source, storageSource: { ...storageSource, object: fill(storageSource.object) } }
      : source,
    availableSecrets:
      availableSecrets === null
        ? null
        : {
            ...availableSecrets,
            secretManager: availableSecrets.secretManager.map((secret) => ({
              ...secret,
              versionName: fill(secret.versionName),
            })),
          },
  };
}

function filledStep(step: BuildStep, fill: (text: string) => string): BuildStep {
  return {
    ...step,
    name: fill(step.name),
    args: step.args.map(fill),
    env: step.env.map(fill),
    dir: fill(step.dir),
    entrypoint: fill(step.entrypoint),
  };
}

function invalid(why: string) {
  return invalidArgument(`invalid value for 'build.substitutions': ${why}`);
}
