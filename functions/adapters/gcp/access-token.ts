import { unavailable } from './google-errors.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

/** Gives an OAuth access token of this service's own identity; cached until shortly before it expires. Throws AppError UNAVAILABLE. */
export type AccessToken = () => Promise<string>;

/** Tokens of the machine's application default credentials: the service account of a function, or what the environment names. */
export function createAccessToken(): AccessToken {
  let auth: Promise<{ getAccessToken(): Promise<string | null | undefined> }> | undefined;
  return async () => {
    auth ??= import('google-auth-library').then(
      ({ GoogleAuth }) => new GoogleAuth({ scopes: [SCOPE] }),
    );
    try {
      const token = await (await auth).getAccessToken();
      if (typeof token !== 'string' || token === '') throw new Error('no token was given');
      return token;
    } catch (cause) {
      throw unavailable('The sign-in of this service', cause);
    }
  };
}
