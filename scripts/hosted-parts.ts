import { execFileSync } from 'node:child_process';
import { sdkFile } from '../test/fixtures/google-sdk.ts';
import { toolsDirectory } from '../test/fixtures/require.ts';

const REQUIRED: readonly (readonly [probe: () => unknown, line: string])[] = [
  [
    () => runs('docker-registry', '--version'),
    'docker-registry is missing: apt-get install docker-registry',
  ],
  [() => runs('java', '-version'), 'Java is missing: apt-get install default-jre-headless'],
  [
    () => sdkFile('platform', 'cloud-firestore-emulator', 'cloud-firestore-emulator.jar'),
    'The Firestore emulator is missing: gcloud components install cloud-firestore-emulator',
  ],
  [
    () => sdkFile('platform', 'pubsub-emulator', 'lib'),
    'The Pub/Sub emulator is missing: gcloud components install pubsub-emulator',
  ],
];

/** One line for each part that is missing without which nothing starts, and how to get it on Debian. */
export function missingParts(): readonly string[] {
  return REQUIRED.filter(([probe]) => !succeeds(probe)).map(([, line]) => line);
}

/** Why builds, and with them jobs, cannot really be made here from an image of the Docker engine; null: they can. */
export function whyPretended(baseImage: string): string | null {
  if (!succeeds(() => runs('docker', 'version'))) return 'there is no Docker engine';
  if (!succeeds(() => runs('docker', 'image', 'inspect', baseImage))) {
    return `the Docker engine has no image ${baseImage}; sh test/tools/base-image.sh makes the one of the tests`;
  }
  if (!succeeds(toolsDirectory)) {
    return 'the tools of builds are missing; sh test/tools/go-tools.sh builds them';
  }
  return process.getuid?.() === 0 ? null : 'BuildKit needs root';
}

function runs(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'ignore' });
}

function succeeds(probe: () => unknown): boolean {
  try {
    probe();
    return true;
  } catch {
    return false;
  }
}
