import type { Clock } from '../../../functions/ports/runtime.ts';
import type { LineWriter } from './build-log.ts';
import type { Build, BuildStep } from './build-record.ts';

/** What runs the steps of builds. */
export interface Executor {
  /** The machine of one build, as nothing has used it before. */
  machine(build: Build): Promise<BuildMachine>;
  close(): Promise<void>;
}

/** The worker of one build. */
export interface BuildMachine {
  /** Puts the source into `/workspace`. Throws when it is no archive. */
  unpack(archive: Uint8Array, object: string): Promise<void>;
  /** Whether the image of a step can be had. */
  pulls(image: string): boolean;
  /** Runs one step to its end, or kills it at the signal. */
  run(step: StepRun): Promise<StepResult>;
  /** Digest of an image of `images`, pushed; undefined when no step has built it. */
  push(image: string): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface StepRun {
  readonly index: number;
  readonly step: BuildStep;
  /** `KEY=VALUE`; later ones win. */
  readonly env: readonly string[];
  readonly log: LineWriter;
  readonly signal: AbortSignal;
}

export interface StepResult {
  readonly exitCode: number;
  /** What it wrote to `$BUILDER_OUTPUT/output`. */
  readonly output: Uint8Array;
}

/** How one step ends that is not run. Default: exit code 0 at once, without a word. */
export interface Pretended {
  readonly exitCode?: number;
  /** Of the double's clock. */
  readonly ms?: number;
  readonly output?: string;
  readonly log?: string;
}

/** Runs nothing: each step ends as `outcome` says, which is asked when it starts. Any image can be had, any image is pushed. */
export function pretendExecutor(
  clock: Clock,
  outcome: (build: Build, index: number) => Pretended = () => ({}),
): Executor {
  return {
    machine: async (build) => ({
      unpack: async () => {},
      pulls: () => true,
      async run({ index, log, signal }) {
        const { exitCode = 0, ms = 0, output = '', log: text = '' } = outcome(build, index);
        log.write(Buffer.from(text));
        if (ms > 0) await clock.sleep(ms, signal);
        return { exitCode, output: Buffer.from(output) };
      },
      push: async (image) =>
        `sha256:${Buffer.from(image).toString('hex').padEnd(64, '0').slice(0, 64)}`,
      close: async () => {},
    }),
    close: async () => {},
  };
}
