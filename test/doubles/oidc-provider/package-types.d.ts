// The package brings no types; only what the double uses.
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http';

  export interface Provider {
    callback(): RequestListener;
  }

  export const Provider: new (issuer: string, configuration: object) => Provider;
}
