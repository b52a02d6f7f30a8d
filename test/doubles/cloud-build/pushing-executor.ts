import type { Clock } from '../../../functions/ports/runtime.ts';
import type { Build } from './build-record.ts';
import type { BuildMachine, Executor } from './executor.ts';

/** How a build ends; `push`: what stands for building and pushing its image. */
export interface PushedBuild {
  readonly ms?: number;
  readonly log: string;
  readonly exitCode: number;
  readonly push?: () => Promise<void>;
}

/** Runs nothing; each build ends as is said, from the `Dockerfile` of its source, and may push something itself. */
export function pushingExecutor(
  clock: Clock,
  outcome: (build: Build, archive: Uint8Array) => PushedBuild,
): Executor {
  return {
    machine: async (build): Promise<BuildMachine> => {
      let source: Uint8Array = new Uint8Array();
      return {
        unpack: async (archive) => {
          source = archive;
        },
        pulls: () => true,
        async run({ log, signal }) {
          const { ms = 0, log: text, exitCode, push } = outcome(build, source);
          log.write(Buffer.from(text));
          await clock.sleep(ms, signal);
          await push?.();
          return { exitCode, output: Buffer.alloc(0) };
        },
        push: async () => undefined,
        close: async () => {},
      };
    },
    close: async () => {},
  };
}
