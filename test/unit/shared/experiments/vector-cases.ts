import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { ExperimentConfig, Sweep } from '../../../../shared/experiments/config-model.ts';
import { type Experiment, experimentAt } from '../../../../shared/experiments/expand.ts';

const failure = z.object({
  kind: z.string(),
  exit_code: z.number(),
  reason: z.string().optional(),
});

const jsonComments = z.object({
  name: z.string(),
  input: z.object({ text: z.string() }),
  expected: z.object({ json: z.string() }).optional(),
  error: failure.optional(),
});

const experimentExpand = z.object({
  name: z.string(),
  input: z.object({ config_text: z.string() }),
  expected: z
    .object({
      count: z.number(),
      json: z.string(),
      args: z.array(z.array(z.string())),
      flags: z.array(z.string()),
      job_args: z.array(z.array(z.string())),
      documented_order: z.array(z.number()),
    })
    .optional(),
  error: failure.optional(),
});

const experimentArgs = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('args'),
    experiment_text: z.string(),
    base: z.array(z.string()).nullable(),
  }),
  z.object({
    op: z.literal('expansion'),
    config_text: z.string(),
    options: z.array(z.enum(['pprint', 'flags'])),
  }),
]);
const experimentArgsCase = z.object({
  name: z.string(),
  input: experimentArgs,
  expected: z.object({ args: z.array(z.string()).optional(), stdout: z.string().optional() }),
});

function casesOf<T extends z.ZodType>(area: string, shape: T): z.infer<T>[] {
  const file = new URL(`../../../fixtures/vectors/${area}.json`, import.meta.url);
  return z.object({ cases: z.array(shape) }).parse(JSON.parse(readFileSync(file, 'utf8'))).cases;
}

/** What the original does with JSON texts. */
export const jsonCommentsCases = casesOf('json-comments', jsonComments);
/** What the original makes of experiment configs. */
export const experimentExpandCases = casesOf('experiment-expand', experimentExpand);
/** The original's arguments for one experiment, and the output of its `expansion`. */
export const experimentArgsCases = casesOf('experiment-args', experimentArgsCase);

/** All experiments as the original yields them: in each sweep the first key fastest. */
export function inYieldedOrder(config: ExperimentConfig): Experiment[] {
  return yieldedIndices(config).map((index) => experimentAt(config, index));
}

/** For each place of the yielded order the index in the documented one. */
export function yieldedIndices(config: ExperimentConfig): number[] {
  return config.sweeps.flatMap((sweep, number) =>
    yieldedIndicesOf(sweep).map((index) => index + Number(config.starts[number])),
  );
}

function yieldedIndicesOf({ dimensions }: Sweep): number[] {
  const sizes = dimensions.map(({ rows }) => rows.length);
  const strides = sizes.map((_, i) =>
    sizes.slice(i + 1).reduce((product, size) => product * size, 1),
  );
  return sizes.reduce(
    (indices, size, i) =>
      Array.from({ length: size }, (_, row) => row).flatMap((row) =>
        indices.map((index) => index + row * (strides[i] ?? 0)),
      ),
    [0],
  );
}
