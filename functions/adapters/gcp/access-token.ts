import type { GoogleAuth } from 'google-auth-library';
import { namedExports } from './commonjs-module.ts';
import { unavailable } from './google-errors.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

/** Gives an OAuth access token of this service's own identity; cached until shortly before it expires. Throws AppError UNAVAILABLE. */
export type AccessToken = () => Promise<string>;

/** Tokens of the machine's application default credentials: the service account of a function, or what the environment names. */
export function createAccessToken(): AccessToken {
  let auth: Promise<GoogleAuth> | undefined;
  return async () => {
    auth ??= load();
    try {
      const token = await (await auth).getAccessToken();
      if (typeof token !== 'string' || token === '') throw new Error('no token was given');
      return token;
    } catch (cause) {
      // What could not be loaded or read is read anew the next time.
      auth = undefined;
      throw unavailable('The sign-in of this service', cause);
    }
  };
}

async function load(): Promise<GoogleAuth> {
  const library = namedExports(await import('google-auth-library'), 'GoogleAuth');
  return new library.GoogleAuth({ scopes: [SCOPE] });
}
