import type { BuildFailure } from '../../images/build-failure.ts';

const SHOWN_LINES = 3;

// What pip 20 to 25 and venv of CPython 3.8 to 3.13 print; the first that fits counts.
const KNOWN: readonly {
  readonly pattern: RegExp;
  readonly hint: string;
  readonly retryable: boolean;
}[] = [
  {
    pattern: /ensurepip is not available|No module named '?"?(venv|ensurepip)/,
    hint: 'This Python cannot make virtualenvs. Debian and Ubuntu: apt-get install python3-venv.',
    retryable: false,
  },
  {
    pattern: /No space left on device/,
    hint: 'Make room on the disk of the data directory, then resubmit.',
    retryable: true,
  },
  {
    pattern:
      /Retrying \(Retry\(|NewConnectionError|ConnectTimeout|ReadTimeout|Temporary failure in name resolution|ProxyError|SSLError/,
    hint: 'The package index could not be reached: check the network, PIP_INDEX_URL, proxies and certificates of the service.',
    retryable: true,
  },
  {
    pattern:
      /Could not open requirements file|does not appear to be a Python project|Invalid requirement/,
    hint: 'Here a requirements.txt stands alone: it can name packages and index options, not other local files.',
    retryable: false,
  },
  {
    pattern: /No matching distribution found|Requires-Python/,
    hint: "Check the name and version, and that it has a release for this machine's Python.",
    retryable: false,
  },
];

/** What went wrong, from the end of a build log: the last errors, or the last lines. */
export function explainBuildLog(log: string): BuildFailure {
  const lines = log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('$ '));
  const errors = lines.filter((line) => line.startsWith('ERROR: '));
  const known = KNOWN.find(({ pattern }) => pattern.test(log));
  // pip's last error is its verdict; without one, what was printed last must do.
  const last = errors.at(-1)?.slice('ERROR: '.length) ?? lines.slice(-SHOWN_LINES).join(' / ');
  const named = lines.find((line) => known?.pattern.test(line));
  const words = errors.length === 0 && named !== undefined ? named : last;
  return {
    message: `The dependencies could not be installed: ${words || 'the build printed nothing.'}`,
    hint: known?.hint ?? 'The build log has the details.',
    retryable: known?.retryable ?? false,
  };
}
