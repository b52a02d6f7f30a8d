/** Who is calling. `id` owns groups and is shown to colleagues. */
export interface Principal {
  readonly id: string;
  readonly role: 'viewer' | 'submitter' | 'admin';
}

/** Turns a bearer token into a principal. Every implementation passes test/contract/authenticator.ts. */
export interface Authenticator {
  /** The principal, or undefined for a token that is not ours. Compares in constant time. */
  authenticate(token: string): Promise<Principal | undefined>;
}
