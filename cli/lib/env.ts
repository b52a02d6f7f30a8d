import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

/** Every environment variable that the CLI reads, with its meaning; docs/cli.md lists them (a test holds them together). */
export const ENVIRONMENT = {
  CALIBAN_ENDPOINT: 'URL of the service to use',
  CALIBAN_TOKEN: 'token for CALIBAN_ENDPOINT and --endpoint',
  CALIBAN_HOME: 'data directory, also for the saved endpoint; default ~/.caliban',
  CALIBAN_SERVE_TOKEN: 'token that caliban serve demands, where --token would show it to others',
  CALIBAN_PLATFORM: 'default of serve --platform',
  CALIBAN_BASE_IMAGE: 'default of serve --base_image',
  CALIBAN_CA_BUNDLE: 'default of serve --ca_bundle',
  CALIBAN_INDEX_URL: 'default of serve --index_url, where the flag would show a password to others',
  CALIBAN_LOG_LEVEL: 'default of --log_level of caliban serve',
  CALIBAN_DEBUG: 'when set, unexpected errors are shown with their stack',
  PROJECT_ID: 'default of --project_id',
  REGION: 'default of --region',
  NO_COLOR: 'when set, output has no colours',
  CI: 'when set, nothing is asked and nothing is redrawn',
} as const;

/** A variable of {@link ENVIRONMENT}. */
export type EnvironmentName = keyof typeof ENVIRONMENT;

/** Variables as given; empty counts as unset, as in most shells' `${X:-}`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a variable, undefined when unset or empty. */
export function variable(env: Environment, name: EnvironmentName): string | undefined {
  return env[name] === '' ? undefined : env[name];
}

/** The data directory: `--data_dir`, then CALIBAN_HOME, then ~/.caliban; absolute. */
export function dataDirectory(
  io: { readonly env: Environment; readonly home: string; readonly cwd: string },
  flag: string | undefined,
): string {
  const given = flag ?? variable(io.env, 'CALIBAN_HOME');
  return given === undefined
    ? join(io.home, '.caliban')
    : resolve(io.cwd, expandHome(given, io.home));
}

/** `~` and `~/…` as the home folder: a shell leaves them alone in `--flag=~/x`. */
export function expandHome(path: string, home: string): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

/** This process's variables, home and user: the only place that reads them. */
export function processEnvironment(): { env: Environment; home: string; user: string } {
  // biome-ignore lint/style/noProcessEnv: the one place where the CLI reads its environment
  const inherited = process.env;
  const env = { ...inherited };
  // Handed over by whoever started this process; what it starts must not have it.
  delete inherited['CALIBAN_SERVE_TOKEN'];
  return { env, home: homedir(), user: userName(env) };
}

function userName(env: Environment): string {
  const named = ['LOGNAME', 'USER', 'LNAME', 'USERNAME'].map((name) => env[name]).find(Boolean);
  if (named !== undefined) return named;
  try {
    return userInfo().username;
  } catch {
    // No entry in the password database, as in many containers.
    return 'user';
  }
}
