import { test } from 'vitest';
import { chooseLane, type WantedPlace } from '../../../../functions/core/choose-lane.ts';
import type { LaneSetting } from '../../../../functions/core/deps.ts';

const policy = { ratePerMinute: 50, maxActive: 10 };
const vertex = (project: string, region: string): LaneSetting => ({
  id: `${project}/${region}`,
  platform: 'vertex',
  policy,
  place: { project, region },
});
const lanes = [
  vertex('team', 'us-central1'),
  vertex('team', 'europe-west4'),
  vertex('other', 'us-central1'),
];
const service = { lanes, defaultPlatform: 'vertex' } as const;

function wanted(changes: Partial<WantedPlace> & { readonly region?: string } = {}): WantedPlace {
  const { region = null, ...rest } = changes;
  const hardware = { gpu: null, tpu: null, machineType: null, region };
  return { platform: null, projectId: null, hardware, ...rest };
}

test('what a request leaves open is the first of the service', ({ expect }) => {
  expect(chooseLane(service, wanted()).id).toBe('team/us-central1');
  expect(chooseLane(service, wanted({ region: 'europe-west4' })).id).toBe('team/europe-west4');
  expect(chooseLane(service, wanted({ projectId: 'other' })).id).toBe('other/us-central1');
});

test.for([
  [{ projectId: 'foreign' }, 'in project foreign', 'team, other (--project_id)'],
  [{ region: 'mars-north1' }, 'in region mars-north1', 'us-central1, europe-west4 (--region)'],
  [
    { projectId: 'other', region: 'europe-west4' },
    'in region europe-west4 of other',
    'us-central1 (--region)',
  ],
  [{ platform: 'gke' as const }, 'on gke', 'vertex'],
] as const)(
  'a place that the service has not is named, with those it has',
  ([asked, message, hint], { expect }) => {
    expect(() => chooseLane(service, wanted(asked))).toThrow(
      expect.objectContaining({
        code: 'PLATFORM_UNSUPPORTED',
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      }),
    );
  },
);

test('where lanes have no place, project and region mean nothing', ({ expect }) => {
  const here = [{ id: 'here', platform: 'process', policy }] as const;
  const asked = wanted({ projectId: 'any', region: 'us-central1' });
  expect(chooseLane({ lanes: here, defaultPlatform: 'process' }, asked).id).toBe('here');
});
