import * as z from 'zod';
import type { Api } from '../../functions/api/api-host.ts';

const operation = z.looseObject({
  summary: z.string(),
  parameters: z.array(z.looseObject({ name: z.string() })).default([]),
  responses: z.record(z.string(), z.looseObject({ description: z.string() })),
});
const document = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), operation)) });

/** A route of an app, from its OpenAPI document. */
export interface DescribedOperation {
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly statuses: readonly string[];
  /** Names of its parameters, in the path, the query and headers. */
  readonly parameters: readonly string[];
}

/** Every route that the app describes. */
export async function operationsOf(app: Api): Promise<DescribedOperation[]> {
  const answer = await app.request('/openapi.json');
  const { paths } = document.parse(await answer.json());
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { summary, parameters, responses }]) => ({
      method: method.toUpperCase(),
      path,
      summary,
      statuses: Object.keys(responses),
      parameters: parameters.map(({ name }) => name),
    })),
  );
}
