import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where the base image of a local cloud is, as in `127.0.0.1:5000/base/python:local`. `repository`: the one of its images. */
export function baseIn(repository: string): string {
  return `${repository.split('/')[0]}/base/python:local`;
}

/** Puts an image of the machine's Docker engine where {@link baseIn} says, as a team does with its own. Rejects with what Docker said. */
export async function pushBase(image: string, reference: string): Promise<void> {
  await run('docker', ['tag', image, reference]);
  try {
    await run('docker', ['push', '--quiet', reference]);
  } finally {
    await run('docker', ['rmi', reference]);
  }
}
