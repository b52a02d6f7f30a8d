import type { OpenAPIHono } from '@hono/zod-openapi';
import type { CoreDeps } from '../core/deps.ts';
import type { Principal } from '../ports/authenticator.ts';
import type { UploadSink } from '../ports/layer-store.ts';
import type { Followers } from './followers.ts';
import type { ProcessWatch } from './process-watch.ts';

/** What every request carries once the middleware let it pass; `principal` below /v1 only. */
export interface ApiEnv {
  readonly Variables: { requestId: string; principal: Principal };
}

/** The app that routes are added to. */
export type Api = OpenAPIHono<ApiEnv>;

/** What the service says of itself. */
export interface ServiceIdentity {
  readonly version: string;
  /** Identifies one start of the service. */
  readonly instance: string;
  readonly host: 'one-machine' | 'hosted';
}

/** What routes are given. */
export interface ApiHost {
  readonly deps: CoreDeps;
  /** Takes layer bytes on this host; null: they go elsewhere. */
  readonly uploads: UploadSink | null;
  readonly service: ServiceIdentity;
  readonly followers: Followers;
  readonly watch: ProcessWatch;
  /** Ends every stream at once; null: nothing does. */
  readonly ending: AbortSignal | null;
}
