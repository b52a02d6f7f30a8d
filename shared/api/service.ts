import * as z from 'zod';
import { PLATFORM_KINDS } from '../jobs/platform-kind.ts';
import { count } from './page.ts';

/** One stream of jobs towards a platform and its policy. */
export const laneView = z
  .object({
    id: z.string(),
    platform: z.enum(PLATFORM_KINDS),
    ratePerMinute: z.number().min(0).nullable(),
    maxActive: count,
  })
  .meta({ id: 'Lane' });

/** `GET /v1/me`: who the token stands for. */
export const principalView = z
  .object({ id: z.string(), role: z.enum(['viewer', 'submitter', 'admin']) })
  .meta({ id: 'Principal' });

/** `GET /v1/service`: what this service is and takes. */
export const serviceView = z
  .object({
    name: z.literal('caliban'),
    version: z.string(),
    /** Identifies one start of a one-machine service. */
    instance: z.string(),
    host: z.enum(['one-machine', 'hosted']),
    defaultPlatform: z.enum(PLATFORM_KINDS),
    platforms: z.array(z.enum(PLATFORM_KINDS)),
    lanes: z.array(laneView),
    limits: z.record(z.string(), z.number()),
    signIn: z.array(z.enum(['token', 'oidc'])),
    principal: principalView,
  })
  .meta({ id: 'Service' });

/** What the service says of itself. */
export type ServiceView = z.infer<typeof serviceView>;

/** `GET /healthz`: without a token; `instance` lets a client be sure whom it talks to. */
export const healthView = z
  .object({ status: z.literal('ok'), instance: z.string(), version: z.string() })
  .meta({ id: 'Health' });

/** `GET /readyz`: without a token; the service can reach its store. */
export const readyView = z.object({ status: z.literal('ready') }).meta({ id: 'Ready' });
