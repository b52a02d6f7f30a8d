import { createHash } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';

/** A wait that ends when nothing moves for too long. */
export interface Patience {
  readonly signal: AbortSignal;
  /** Something moved. */
  renew(): void;
  end(): void;
}

/** Patience of so many ms; it ends with `signal` too. Who has it ends it. */
export function createPatience(ms: number, signal?: AbortSignal): Patience {
  const silence = new AbortController();
  const giveUp = () =>
    silence.abort(new DOMException(`nothing moved for ${ms / 1000} s`, 'TimeoutError'));
  let timer = setTimeout(giveUp, ms);
  return {
    signal: signal === undefined ? silence.signal : AbortSignal.any([silence.signal, signal]),
    renew: () => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, ms);
    },
    end: () => clearTimeout(timer),
  };
}

/** The body of a response, which must not be larger. Throws AppError BUILD_FAILED. */
export async function readAtMost(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > maxBytes) {
      throw new AppError('BUILD_FAILED', `A registry answered with more than ${maxBytes} bytes.`, {
        hint: 'Name another image.',
      });
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** `sha256:` and the hash of some bytes. */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A blob, by its digest (`sha256:…`). */
export interface BlobFacts {
  readonly digest: string;
  readonly size: number;
}

/** Passes a blob's bytes on; throws AppError BUILD_FAILED at the end of what is not that blob, before its last piece. */
export async function* checkedBlob(
  source: AsyncIterable<Uint8Array>,
  { digest, size }: BlobFacts,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256');
  let seen = 0;
  let held: Uint8Array | undefined;
  for await (const piece of source) {
    seen += piece.length;
    if (seen > size) break;
    hash.update(piece);
    if (held !== undefined) yield held;
    held = piece;
  }
  if (seen !== size || `sha256:${hash.digest('hex')}` !== digest) {
    throw new AppError('BUILD_FAILED', `What should be the blob ${digest} has other bytes.`, {
      hint: 'Submit again; if it stays so, what is stored there is damaged.',
      context: { digest, size, seen },
    });
  }
  if (held !== undefined) yield held;
}
