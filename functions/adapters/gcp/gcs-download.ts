import { setTimeout as delay } from 'node:timers/promises';
import { createAccessToken } from './access-token.ts';
import type { GcsSettings } from './gcs-client.ts';
import { storageFailure } from './gcs-errors.ts';

/** What is read of an object. */
export interface Wanted {
  readonly bucket: string;
  readonly name: string;
  /** The live one when absent. */
  readonly generation?: string;
  /** `json`: the object's resource instead of its bytes. */
  readonly alt?: 'json';
  /** First and last byte, inclusive. */
  readonly range?: { readonly first: number; readonly last: number };
}

/** Begins to read an object, or asks for its resource: the answer, 200 or 206, or the number 404 or 416. Throws AppError UNAVAILABLE. */
export type Download = (wanted: Wanted) => Promise<Response | 404 | 416>;

const PUBLIC_ENDPOINT = 'https://storage.googleapis.com';
const MAX_TRIES = 4;
const FIRST_DELAY_MS = 250;
/** Until the answer begins. */
const HEAD_TIMEOUT_MS = 30_000;

/**
 * Reads objects over the JSON API. Not by the storage client: its streams hide the answer's headers, warn of too many listeners
 * with every larger object, and are not repeated (8.4.0).
 */
export function createDownload({ endpoint }: Pick<GcsSettings, 'endpoint'>): Download {
  const base = (endpoint ?? PUBLIC_ENDPOINT).replace(/\/$/, '');
  const token = base.startsWith('https:') ? createAccessToken() : undefined;

  async function ask({ bucket, name, generation, range, alt }: Wanted): Promise<Response> {
    const url = new URL(`${base}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`);
    url.searchParams.set('alt', alt ?? 'media');
    if (generation !== undefined) url.searchParams.set('generation', generation);
    const head = new AbortController();
    const timer = setTimeout(() => head.abort(), HEAD_TIMEOUT_MS);
    const headers = {
      ...(token === undefined ? {} : { Authorization: `Bearer ${await token()}` }),
      ...(range === undefined ? {} : { Range: `bytes=${range.first}-${range.last}` }),
    };
    try {
      return await fetch(url, { headers, signal: head.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  async function attempt(wanted: Wanted): Promise<Response | 404 | 416 | Failed> {
    try {
      const response = await ask(wanted);
      if (response.ok) return response;
      const text = (await response.text()).slice(0, 500);
      if (response.status === 404 || response.status === 416) return response.status;
      const error = Object.assign(new Error(`HTTP ${response.status} ${text}`), {
        code: response.status,
      });
      return { error, isPassing: response.status === 429 || response.status >= 500 };
    } catch (error) {
      return { error, isPassing: true };
    }
  }

  return async (wanted) => {
    for (let tries = 1; ; tries++) {
      const answer = await attempt(wanted);
      if (typeof answer === 'number' || answer instanceof Response) return answer;
      if (!answer.isPassing || tries === MAX_TRIES) throw storageFailure(answer.error);
      await delay(FIRST_DELAY_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2));
    }
  };
}

interface Failed {
  readonly error: unknown;
  readonly isPassing: boolean;
}
