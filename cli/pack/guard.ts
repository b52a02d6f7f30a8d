import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { forEachBounded } from './for-each-bounded.ts';
import type { FileEntry } from './layer-tree.ts';
import { type Problem, packRefusal } from './refusal.ts';

/** Credential files are small; larger ones are not opened. */
const MAX_INSPECTED_BYTES = 64 * 1024;

const READS_AT_ONCE = 16;

/** Names that hold secrets whatever is in them. */
const SECRET_NAMES: ReadonlyMap<string, string> = new Map([
  ['.env', 'usually holds secrets'],
  ['.netrc', 'holds passwords'],
  ['.pypirc', 'holds registry passwords'],
  ['application_default_credentials.json', 'holds your Google credentials'],
  ['id_rsa', 'is a private SSH key'],
  ['id_dsa', 'is a private SSH key'],
  ['id_ecdsa', 'is a private SSH key'],
  ['id_ed25519', 'is a private SSH key'],
]);

/** Endings of `.env.*` files that are written to be shared. */
const SHARED_ENV = /\.(example|sample|template|dist)$/;

/**
 * Refuses credentials: what goes up becomes part of an image that a team can read. Throws PACK_REFUSED naming each
 * file, what it seems to be, and the `.dockerignore` line that leaves it out.
 */
export async function refuseCredentials(
  contextDir: string,
  files: readonly Pick<FileEntry, 'from' | 'size'>[],
): Promise<void> {
  const problems: Problem[] = [];
  const inspected: { from: string; inspect: (text: string) => string | undefined }[] = [];
  for (const { from, size } of files) {
    const name = posix.basename(from);
    const reason = reasonByName(name);
    if (reason !== undefined) problems.push({ path: from, reason });
    const inspect = inspectorOf(name);
    if (reason === undefined && inspect && size <= MAX_INSPECTED_BYTES)
      inspected.push({ from, inspect });
  }
  await forEachBounded(inspected, READS_AT_ONCE, async ({ from, inspect }) => {
    // A file that cannot be read is reported when it is packed.
    const text = await readFile(join(contextDir, from), 'utf8').catch(() => '');
    const reason = inspect(text);
    if (reason !== undefined) problems.push({ path: from, reason });
  });
  if (problems.length > 0) {
    throw packRefusal(
      problems,
      'Credentials must not become part of an image: move them out of the code.',
    );
  }
}

function reasonByName(name: string): string | undefined {
  if (name.startsWith('.env.') && !SHARED_ENV.test(name)) return 'usually holds secrets';
  return SECRET_NAMES.get(name);
}

function inspectorOf(name: string): ((text: string) => string | undefined) | undefined {
  if (name.endsWith('.pem') || name.endsWith('.key')) return privateKey;
  if (name.endsWith('.json')) return googleKey;
  if (name === '.npmrc') return npmToken;
  return undefined;
}

function privateKey(text: string): string | undefined {
  return text.includes('PRIVATE KEY-----') ? 'holds a private key' : undefined;
}

/** Looked for as text first: most JSON files of a project are data and need no parsing. */
function googleKey(text: string): string | undefined {
  if (/"type"\s*:\s*"service_account"/.test(text) && text.includes('"private_key"')) {
    return 'is the key of a service account';
  }
  const isUserGrant =
    /"type"\s*:\s*"authorized_user"/.test(text) && text.includes('"refresh_token"');
  return isUserGrant ? 'holds your Google credentials' : undefined;
}

/** A token taken from the environment (`${NPM_TOKEN}`) is no secret. */
function npmToken(text: string): string | undefined {
  return /^[^#;]*_(auth|authToken|password)\s*=\s*[^\s$]/m.test(text)
    ? 'holds a registry token'
    : undefined;
}
