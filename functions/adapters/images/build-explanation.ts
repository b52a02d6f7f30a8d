import { stripVTControlCharacters } from 'node:util';
import type { BuildFailure } from './build-failure.ts';

interface Known {
  readonly pattern: RegExp;
  readonly hint: string;
  /** Where builds run in a cloud, when it is another one. */
  readonly cloud?: string;
  readonly retryable?: true;
}

const MESSAGE_LENGTH = 600;
const SHOWN_LINES = 3;

// What our own Dockerfile says of a base, as it begins.
const BASE_LACKS: readonly Known[] = [
  {
    pattern: /has no python3/,
    hint: 'Name a base image with Python, or add python3 and python3-pip to the apt packages.',
  },
  { pattern: /has no apt-get/, hint: 'apt packages need a base image of Debian or Ubuntu.' },
  { pattern: /virtual environments/, hint: 'Add python3-venv to the apt packages.' },
  { pattern: /neither pip nor/, hint: 'Add python3-pip to the apt packages.' },
  { pattern: /has Python/, hint: 'Ask for the Python it has, or name another base image.' },
];

// What uv 0.13, pip 20 to 25, apt 1.8 to 3 and Docker 20 to 28 print; the first that fits counts.
const KNOWN: readonly Known[] = [
  {
    pattern: /exec: "\/bin\/sh"|exec \/bin\/sh: no such file/,
    hint: 'The base image has no shell; name one of Debian or Ubuntu with Python.',
  },
  {
    pattern: /no space left on device/i,
    hint: 'Make room on the disk of Docker (docker system df shows what uses it), then resubmit.',
    cloud: 'The packages need more room than the machines of builds have; ask for fewer.',
    retryable: true,
  },
  {
    pattern:
      /CERTIFICATE_VERIFY_FAILED|invalid peer certificate|Certificate verification failed|No system certificates available|x509:/,
    hint: 'A certificate is not trusted: if a proxy stands between, set ca_bundle of the service to its certificate authorities.',
  },
  {
    pattern:
      /valid authentication credentials|\b(?:401|403) (?:Unauthorized|Forbidden|Error|Client Error)/,
    hint: 'A package index refuses the service: check the user and the password in its index_url.',
  },
  {
    pattern:
      /toomanyrequests|pull access denied|unauthorized|authentication required|auth credentials/i,
    hint: 'Log in to that registry with docker login, as the user of the service on its machine.',
    cloud:
      'Check the name of the base image. If it is private: copy it to a registry that the service account of builds can read.',
  },
  {
    pattern: /Cannot connect to the Docker daemon|error reading from server|code = Unavailable/,
    hint: 'Docker was stopped during the build; start it.',
    cloud: 'BuildKit ended during the build. It is tried again.',
    retryable: true,
  },
  {
    pattern: /no matching manifest for/,
    hint: 'The base image has no variant for this machine; name another one.',
  },
  {
    pattern:
      /Temporary failure (?:in name resolution|resolving)|Could not resolve|no such host|dns error|Request failed after \d+ retr|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|Could not connect to|Connection timed out|connection refused|i\/o timeout|TLS handshake timeout|Hash Sum mismatch/i,
    hint: 'A package index or registry could not be reached from the build: check the network and proxy settings of Docker.',
    cloud: 'A package index or registry could not be reached from the build. It is tried again.',
    retryable: true,
  },
  {
    pattern:
      /^E: (?:Unable to locate package|Version .* was not found|Release .* was not found|Package .* has no installation candidate)/m,
    hint: "Check the apt packages: their names and versions are those of the base image's distribution.",
  },
  {
    pattern: /does not satisfy Python/,
    hint: 'Ask for another version of the package, or for another Python.',
  },
  {
    pattern: /No matching distribution found for uv==/,
    hint: 'The index_url of the service must offer the package uv too: it installs the others.',
  },
  {
    pattern: /No solution found|No matching distribution found/,
    hint: "Check the names and versions in the requirements, and that they have a release for the image's Python.",
  },
  { pattern: /Git executable not found/, hint: 'Add git to the apt packages.' },
  {
    pattern: /Failed to build/,
    hint: 'It has no wheel for this Python and cannot be compiled: add build-essential and the libraries it needs to the apt packages, or ask for a version with a wheel.',
  },
  { pattern: /Hash mismatch/, hint: 'Correct the hash, or leave it out.' },
];

/** What went wrong, from the end of a build log. `reference`: the base image as asked for; `where`: on whose machine it was built. */
export function explainImageBuildLog(
  log: string,
  reference: string,
  where: 'engine' | 'cloud' = 'engine',
): BuildFailure {
  const failure = (message: string, known: Known | undefined) => failureOf(message, known, where);
  const lines = saidIn(log);
  const lack = lines.findLast((line) => line.startsWith('caliban: '));
  if (lack !== undefined) {
    const known = BASE_LACKS.find(({ pattern }) => pattern.test(lack));
    return failure(
      `${lack.replace('caliban: the base image', `The base image ${reference}`)}.`,
      known,
    );
  }
  const text = lines.join('\n');
  const known = KNOWN.find(({ pattern }) => pattern.test(text));
  const words =
    uvVerdict(lines) ??
    aptVerdict(lines) ??
    lastError(lines) ??
    lines.slice(-SHOWN_LINES).join(' / ');
  const what = words === '' ? 'the build printed nothing.' : shortened(words);
  return failure(`The dependency image could not be built: ${what}`, known);
}

function failureOf(
  message: string,
  known: Known | undefined,
  where: 'engine' | 'cloud',
): BuildFailure {
  const said = where === 'cloud' ? (known?.cloud ?? known?.hint) : known?.hint;
  const hint = said ?? 'The build log has the details.';
  return { message, hint, retryable: known?.retryable ?? false };
}

/**
 * What programs said: of the step that failed, when one did, because earlier ones may have warned of what did no harm; and not
 * the commands, which the log repeats.
 */
function saidIn(log: string): string[] {
  // The last one: a build goes on without a cache that is not there yet, which is an error of a step too.
  const failed = [...log.matchAll(/^#(\d+) ERROR/gm)].at(-1)?.[1];
  return log.split('\n').flatMap((raw) => {
    const line = stripVTControlCharacters(raw).trimEnd();
    const [, step, output] = /^#(\d+) \d+\.\d+ ?(.*)$/.exec(line) ?? [];
    if (output !== undefined) return failed === undefined || step === failed ? [output] : [];
    const isEcho = /^(?:#|\$ | > |\s*\d+ \||-{3,}|\d+\.\d+ )|\/bin\/sh -c/.test(line);
    return isEcho || line === '' ? [] : [line.trim()];
  });
}

// uv ends with `error: `, its causes below, and further on what a failed compiler printed.
function uvVerdict(lines: readonly string[]): string | undefined {
  const from = lines.findLastIndex((line) => line.startsWith('error: '));
  if (from < 0) return undefined;
  const rest = lines.slice(from + 1);
  const end = rest.findIndex((line) => line.trim() === '' || !line.startsWith(' '));
  const causes = rest.slice(0, end < 0 ? rest.length : end).map((line) => line.trim());
  return [lines[from]?.slice('error: '.length) ?? '', ...causes]
    .join(' ')
    .replaceAll(' cause: ', ': ');
}

function aptVerdict(lines: readonly string[]): string | undefined {
  const errors = lines.filter((line) => line.startsWith('E: ')).map((line) => line.slice(3));
  const failed = lines.find((line) => line.startsWith('W: Failed to fetch'));
  return errors.length === 0 ? undefined : (failed?.slice(3) ?? [...new Set(errors)].join('; '));
}

// pip's last error is its verdict, the engine's its only one.
function lastError(lines: readonly string[]): string | undefined {
  const cause = lines.find((line) => /NewConnectionError|SSLError|ProxyError/.test(line));
  const last = lines.findLast((line) =>
    /^(?:ERROR: |Error response|failed to |runc run failed)/.test(line),
  );
  return cause ?? last?.replace(/^ERROR: /, '');
}

function shortened(words: string): string {
  return words.length <= MESSAGE_LENGTH ? words : `${words.slice(0, MESSAGE_LENGTH)}…`;
}
