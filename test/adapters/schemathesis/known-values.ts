import type { SubmissionSpec } from '../../../shared/api/submissions.ts';
import { aSpec } from '../../doubles/a-spec.ts';
import type { Content } from './known-content.ts';

/** Values for parameters of one path which mean something to the service. */
export interface KnownValues {
  readonly path: string;
  /** By place and name, as `query.cursor` or `body.command[*]`. */
  readonly parameters: Readonly<Record<string, Known>>;
  /** A body that is accepted. */
  readonly body?: SubmissionSpec;
}

/** Values of one parameter, the first of them an example, and how often one of them is taken (1: always). */
export interface Known {
  readonly values: readonly string[];
  readonly share: number;
}

/** Without these, most requests would end at an id, a cursor or a layer that is not there. */
export function knownValues(content: Content): readonly KnownValues[] {
  const { owner, cursors, logged, codeLayer, ranges } = content;
  const owners = often('*', owner);
  const number = often(cursors.number);
  const text = often(cursors.text);
  const group = often(...content.groups);
  const job = often(...content.jobs);
  const submission = often(...content.submissions);
  const build = often(...content.builds);
  const layer = often(...content.layers);
  const place = always(logged.place);
  const spec = {
    parameters: {
      'body.codeLayers[*]': always(codeLayer),
      'body.dependencies.layer': often(codeLayer),
      'body.platform': often('process'),
      // What is accepted runs: a program that does no harm.
      'body.command[*]': always('true'),
    },
    body: aSpec({ codeLayers: [codeLayer], command: ['true'], group: 'fuzzed' }),
  };
  return [
    { path: '/v1/groups', parameters: { 'query.cursor': number, 'query.owner': owners } },
    { path: '/v1/groups/{g}', parameters: { 'path.g': group } },
    { path: '/v1/groups/{g}/jobs', parameters: { 'path.g': group, 'query.cursor': text } },
    { path: '/v1/groups/{g}/experiments', parameters: { 'path.g': group, 'query.cursor': text } },
    { path: '/v1/groups/{g}/stop', parameters: { 'path.g': group } },
    {
      path: '/v1/groups/{g}/events',
      parameters: { 'path.g': group, 'header.Last-Event-ID': number },
    },
    { path: '/v1/jobs', parameters: { 'query.cursor': text, 'query.owner': owners } },
    { path: '/v1/jobs/{id}', parameters: { 'path.id': job } },
    { path: '/v1/jobs/{id}/stop', parameters: { 'path.id': job } },
    {
      // A place in a log is one in the log of that job only. The job has ended, so that its followed log ends too.
      path: '/v1/jobs/{id}/logs',
      parameters: {
        'path.id': always(logged.job),
        'query.since': place,
        'header.Last-Event-ID': place,
      },
    },
    { path: '/v1/submissions/{id}', parameters: { 'path.id': submission } },
    {
      path: '/v1/submissions/{id}/jobs',
      parameters: { 'path.id': submission, 'query.cursor': number },
    },
    { path: '/v1/builds/{id}', parameters: { 'path.id': build } },
    { path: '/v1/builds/{id}/logs', parameters: { 'path.id': build } },
    { path: '/v1/layers/{diffId}/complete', parameters: { 'path.diffId': layer } },
    {
      path: '/v1/layers/{diffId}/upload',
      parameters: { 'path.diffId': layer, 'header.Content-Range': often(...ranges) },
    },
    { path: '/v1/plans', ...spec },
    { path: '/v1/submissions', ...spec },
  ];
}

function always(...values: readonly string[]): Known {
  return { values, share: 1 };
}

function often(...values: readonly string[]): Known {
  return { values, share: 0.7 };
}
