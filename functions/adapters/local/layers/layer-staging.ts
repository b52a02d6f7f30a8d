import type { LayerDeclaration } from '../../../ports/layer-store.ts';
import type { LayerDisk } from './layer-disk.ts';
import type { LayerPaths } from './layer-paths.ts';
import { FAILURE_RECORD, parseRecord, printRecord, SESSION_RECORD } from './layer-records.ts';

/** An upload under way. */
export interface UploadSession {
  readonly declaration: LayerDeclaration;
  /** Bytes that are there. */
  received: number;
  /** `published`: verified and on the shelf. `ended`: replaced, refused or expired. */
  state: 'open' | 'published' | 'ended';
  verification: Promise<void> | undefined;
}

/** Sessions and refusals on disk. Each call needs the layer's lock. */
export interface LayerStaging {
  /** The open session, from memory or, after a restart, from disk. */
  session(diffId: string): Promise<UploadSession | undefined>;
  /** Why the last upload was refused, or undefined. */
  failure(diffId: string): Promise<string | undefined>;
  /** A new session in place of whatever is there. */
  open(declaration: LayerDeclaration): Promise<UploadSession>;
  /** Lets a found session live longer. */
  renew(session: UploadSession): Promise<void>;
  /** Deletes the bytes and keeps the reason. */
  refuse(session: UploadSession, reason: string): Promise<void>;
  /** Forgets a session whose bytes are published, or that nobody wants any more. */
  close(diffId: string, state: 'published' | 'ended'): Promise<void>;
}

/**
 * Files `<diffId>.part`, `.session.json`, `.failed.json`. The bytes received are the size of the part, which only
 * grows in order; bytes that a lost power left wrong are found by verification. Order of steps: a session is on disk
 * only while its part belongs to it, and a failure outranks a session, so that a crash between two steps leads to one
 * of the states before and after.
 */
export function createLayerStaging(
  disk: LayerDisk,
  paths: LayerPaths,
  now: () => number,
): LayerStaging {
  const sessions = new Map<string, UploadSession>();

  async function failure(diffId: string): Promise<string | undefined> {
    return parseRecord(FAILURE_RECORD, await disk.readText(paths.failure(diffId)))?.reason;
  }

  function write(declaration: LayerDeclaration): Promise<void> {
    const record = printRecord({ declaration, begunAt: now() });
    return disk.writeText(paths.session(declaration.diffId), record);
  }

  function forget(diffId: string, state: 'published' | 'ended'): void {
    const session = sessions.get(diffId);
    if (session !== undefined) session.state = state;
    sessions.delete(diffId);
  }

  async function restore(diffId: string): Promise<UploadSession | undefined> {
    if ((await failure(diffId)) !== undefined) return undefined;
    const text = await disk.readText(paths.session(diffId));
    const declaration = parseRecord(SESSION_RECORD, text)?.declaration;
    if (declaration?.diffId !== diffId) return undefined;
    const size = (await disk.stat(paths.part(diffId)))?.size ?? 0;
    return newSession(declaration, Math.min(size, declaration.blobSize));
  }

  return {
    failure,
    async session(diffId) {
      const session = sessions.get(diffId) ?? (await restore(diffId));
      if (session !== undefined) sessions.set(diffId, session);
      return session;
    },
    async open(declaration) {
      const { diffId } = declaration;
      forget(diffId, 'ended');
      await disk.remove(paths.part(diffId));
      await write(declaration);
      await disk.remove(paths.failure(diffId));
      const session = newSession(declaration, 0);
      sessions.set(diffId, session);
      return session;
    },
    renew: (session) => write(session.declaration),
    async refuse({ declaration: { diffId } }, reason) {
      await disk.writeText(paths.failure(diffId), printRecord({ reason, failedAt: now() }));
      forget(diffId, 'ended');
      await disk.remove(paths.part(diffId));
      await disk.remove(paths.session(diffId));
    },
    async close(diffId, state) {
      forget(diffId, state);
      await disk.remove(paths.part(diffId));
      await disk.remove(paths.session(diffId));
    },
  };
}

function newSession(declaration: LayerDeclaration, received: number): UploadSession {
  return { declaration, received, state: 'open', verification: undefined };
}
