import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import type { Family, Labels } from '../core/meters.ts';
import { type Remembered, remember } from '../core/remembered.ts';
import { readNumbers, type ServiceNumbers } from '../core/service-numbers.ts';
import { BEARER, failures } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { PROMETHEUS_TEXT, prometheusText } from './prometheus-text.ts';

/** Counting takes at most one part in so many of the time. */
const COUNTING_SHARE = 50;

const getMetrics = createRoute({
  method: 'get',
  path: '/metrics',
  tags: ['operations'],
  security: BEARER,
  summary: 'Numbers for Prometheus',
  description:
    'Text format 0.0.4. What is stored is counted at most every few seconds and tells its age; the rest is of this process since its start.',
  responses: {
    200: {
      description: 'The numbers.',
      content: { 'text/plain': { schema: z.string() } },
    },
    ...failures(),
  },
});

/** The route of the numbers. They tell how much a team does, so it needs a token. */
export function addMetrics(app: Api, { deps, service, watch }: ApiHost): void {
  const { clock, timing, meters } = deps;
  const numbers = remember(
    clock,
    (tookMs) => Math.max(timing.countsMs, tookMs * COUNTING_SHARE),
    () => readNumbers(deps),
  );
  app.openapi(getMetrics, async (c) => {
    const stored = await numbers();
    const text = prometheusText([
      gauge('caliban_build_info', 'The version that runs.', [[{ version: service.version }, 1]]),
      ...storedFamilies(stored, clock.now()),
      ...meters.families(),
      ...watch.families(),
    ]);
    return c.text(text, 200, { 'Content-Type': PROMETHEUS_TEXT });
  });
}

function storedFamilies({ value, at }: Remembered<ServiceNumbers>, now: number): Family[] {
  const { lanes, messages, builds, parked, oldestDueMs } = value;
  return [
    gauge('caliban_stored_numbers_age_seconds', 'How long ago what is stored was counted.', [
      [{}, Math.max(0, now - at) / 1_000],
    ]),
    gauge('caliban_jobs', 'Jobs by state.', jobsByPlatform(lanes)),
    gauge(
      'caliban_outbox_messages',
      'Messages that wait to be handled, or are being handled.',
      messages.map(({ kind, count }) => [{ kind }, count]),
    ),
    gauge('caliban_outbox_oldest_due_seconds', 'How long the oldest due message has been due.', [
      [{}, oldestDueMs / 1_000],
    ]),
    gauge('caliban_outbox_parked_messages', 'Messages put aside after ten failures.', [
      [{}, parked],
    ]),
    gauge(
      'caliban_builds',
      'Builds of dependencies by state.',
      builds.map(({ state, count }) => [{ state }, count]),
    ),
    ...laneFamilies(lanes),
  ];
}

// A platform can have several lanes.
function jobsByPlatform(lanes: ServiceNumbers['lanes']): (readonly [Labels, number])[] {
  const sums = new Map<string, readonly [Labels, number]>();
  for (const { platform, jobs } of lanes) {
    for (const { state, count } of jobs) {
      const key = `${platform} ${state}`;
      sums.set(key, [{ state, platform }, (sums.get(key)?.[1] ?? 0) + count]);
    }
  }
  return [...sums.values()];
}

function laneFamilies(lanes: ServiceNumbers['lanes']): Family[] {
  return [
    gauge(
      'caliban_lane_active',
      'Jobs that hold a place of the lane.',
      lanes.map(({ id, active }) => [{ lane: id }, active]),
    ),
    gauge(
      'caliban_lane_places',
      'Places of the lane.',
      lanes.map(({ id, policy }) => [{ lane: id }, policy.maxActive]),
    ),
    gauge(
      'caliban_lane_rate_per_minute',
      'Jobs that the lane submits in a minute at most; a lane without a rate is left out.',
      lanes.flatMap(({ id, policy: { ratePerMinute } }) =>
        ratePerMinute === null ? [] : [[{ lane: id }, ratePerMinute]],
      ),
    ),
  ];
}

function gauge(
  name: string,
  help: string,
  values: readonly (readonly [labels: Labels, value: number])[],
): Family {
  return {
    ...{ name, help, type: 'gauge' },
    samples: values.map(([labels, value]) => ({ labels, value })),
  };
}
