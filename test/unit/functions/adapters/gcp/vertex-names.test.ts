import fc from 'fast-check';
import { describe, test } from 'vitest';
import { instantText, jobLogFilter } from '../../../../../functions/adapters/gcp/log-entries.ts';
import { filterText, labelFilter } from '../../../../../functions/adapters/gcp/vertex-labels.ts';
import {
  parseVertexLane,
  parseVertexRef,
  vertexLaneId,
} from '../../../../../functions/adapters/gcp/vertex-lane.ts';
import { consoleLinkOf } from '../../../../../shared/jobs/console-link.ts';

describe('names of Vertex AI', () => {
  test('a lane is read as it was made', ({ expect }) => {
    const lane = vertexLaneId('my-project', 'us-central1');
    expect(parseVertexLane(lane)).toEqual({ project: 'my-project', region: 'us-central1' });
  });

  test.for([
    'lane-a',
    'vertex:p:us-central1',
    'vertex:my-project:evil.com/',
    'vertex:my-project:us-central1:x',
  ])('%s is no lane', (text, { expect }) => {
    expect(parseVertexLane(text)).toBeNull();
  });

  test('a ref has project or its number, region and id, and a page in the console', ({
    expect,
  }) => {
    const ref = 'projects/123/locations/us-central1/customJobs/456';
    expect(parseVertexRef(ref)).toEqual({ project: '123', region: 'us-central1', id: '456' });
    expect(consoleLinkOf('vertex', ref)).toBe(
      'https://console.cloud.google.com/ai/platform/locations/us-central1/training/456?project=123',
    );
    for (const bad of [
      '',
      'nobody.1',
      '../../etc.1',
      `${ref}/x`,
      `${ref}\n`,
      ref.replace('456', '4"6'),
    ]) {
      expect(parseVertexRef(bad)).toBeNull();
      expect(consoleLinkOf('vertex', bad)).toBeNull();
    }
  });

  test('a text in a filter stays one value, whatever is in it', ({ expect }) => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const [, inner = ''] = /^"((?:[^"\\]|\\.)*)"$/s.exec(filterText(text)) ?? [];
        expect(inner.replaceAll(/\\(.)/gs, '$1')).toBe(text);
      }),
    );
    const hostile = '1" OR resource.type="gce_instance';
    expect(jobLogFilter(hostile, '', 'T')).toContain(
      String.raw`resource.labels.job_id="1\" OR resource.type=\"gce_instance"`,
    );
    expect(labelFilter('a"b', 'c\\')).toBe(
      String.raw`labels.caliban="a\"b" AND labels.caliban_job="c\\"`,
    );
  });

  test('instants have nine digits, also before 1970', ({ expect }) => {
    expect(instantText(1_234)).toBe('1970-01-01T00:00:01.234000000Z');
    expect(instantText(1_234, true)).toBe('1970-01-01T00:00:01.234999999Z');
    expect(instantText(-1)).toBe('1969-12-31T23:59:59.999000000Z');
  });
});
