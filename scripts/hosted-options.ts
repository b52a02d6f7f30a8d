import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** How `npm run dev:hosted` was called. */
export interface HostedOptions {
  readonly isHelp: boolean;
  readonly isPretending: boolean;
  /** An image of the machine's Docker engine; undefined: the one of the tests. */
  readonly baseImage: string | undefined;
  readonly caBundle: string | undefined;
  readonly tickMs: number;
  readonly dir: string | undefined;
}

/** What `--help` prints. */
export const USAGE = `Usage: npm run dev:hosted -- [flags]

Runs the hosted service on this machine: Google's emulators, stand-ins of the other services, and the four functions. Ctrl-C ends it.

  --pretend            run no job and make no build, even where they could be: each succeeds after a few seconds
  --base_image IMAGE   image of your Docker engine that dependency images start from (default: the base image of the tests)
  --ca_bundle FILE     PEM file of certificate authorities that builds and jobs trust (default: SSL_CERT_FILE, if set)
  --tick SECONDS       between two ticks, at least 1; in the cloud it is a minute (default: 5)
  --dir FOLDER         where logs go and stay (default: a temporary folder, removed at the end)
  --help               this text
`;

/** Reads the flags. Throws an Error of one line that says what is wrong. */
export function readHostedOptions(args: readonly string[]): HostedOptions {
  const values = parsed(args);
  const tick = Number(values.tick);
  if (!(tick >= 1 && Number.isFinite(tick))) {
    throw new Error(`--tick ${values.tick}: it takes a number of seconds, at least 1.`);
  }
  if (values.pretend && values.base_image !== undefined) {
    throw new Error('--base_image and --pretend exclude each other: pretended builds use no base.');
  }
  if (values.ca_bundle !== undefined && !existsSync(values.ca_bundle)) {
    throw new Error(`--ca_bundle ${values.ca_bundle}: there is no such file.`);
  }
  return {
    isHelp: values.help,
    isPretending: values.pretend,
    baseImage: values.base_image,
    caBundle: values.ca_bundle ?? (process.env['SSL_CERT_FILE'] || undefined),
    tickMs: tick * 1_000,
    dir: values.dir,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', default: false },
        pretend: { type: 'boolean', default: false },
        base_image: { type: 'string' },
        ca_bundle: { type: 'string' },
        tick: { type: 'string', default: '5' },
        dir: { type: 'string' },
      },
    }).values;
  } catch (cause) {
    const [first = ''] = (cause instanceof Error ? cause.message : String(cause)).split(/\. |\n/);
    throw new Error(`${first.replace(/\.$/, '')}; --help lists the flags.`, { cause });
  }
}
