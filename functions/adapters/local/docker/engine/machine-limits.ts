import * as z from 'zod';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import type { Engine } from './engine.ts';
import { ANSWER_MS, askForUser, EngineRefusal } from './engine-call.ts';

/** What one job may use; null: no limit. */
interface Limits {
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
}

const MEBIBYTE = 1024 ** 2;

/**
 * Refuses limits that the engine's machine, which may be another one, does not have: it would start no container with so many processors,
 * and take so much memory as none. Throws AppErrors SERVE_REFUSED and UNAVAILABLE.
 */
export async function refuseBeyondMachine(
  engine: Pick<Engine, 'info'>,
  { cpus, memoryBytes }: Limits,
): Promise<void> {
  if (cpus === null && memoryBytes === null) return;
  const machine = await sizeOf(engine);
  if (cpus !== null && isBeyond(cpus, machine.NCPU)) {
    const has = machine.NCPU === 1 ? '1 processor' : `${machine.NCPU} processors`;
    throw beyond(`--job_cpus ${cpus}`, has, `--job_cpus ${machine.NCPU}`);
  }
  if (memoryBytes !== null && isBeyond(memoryBytes, machine.MemTotal)) {
    const most = sizeText(machine.MemTotal);
    throw beyond(
      `--job_memory ${sizeText(memoryBytes)}`,
      `${most} of memory`,
      `--job_memory ${most}`,
    );
  }
}

// 0 is what an engine says that does not know.
const sizeSchema = z.object({ NCPU: z.number().catch(0), MemTotal: z.number().catch(0) });

async function sizeOf(engine: Pick<Engine, 'info'>): Promise<z.infer<typeof sizeSchema>> {
  try {
    return sizeSchema.parse(await askForUser({ ms: ANSWER_MS }, () => engine.info()));
  } catch (error) {
    if (!(error instanceof EngineRefusal)) throw error;
    throw new AppError(
      'SERVE_REFUSED',
      `The Docker engine does not say how large its machine is: ${error.message}.`,
      { hint: 'Leave --job_cpus and --job_memory out, or mend Docker.', cause: error },
    );
  }
}

// As the flag takes it.
function sizeText(bytes: number): string {
  const mebibytes = Math.floor(bytes / MEBIBYTE);
  return mebibytes % 1024 === 0 ? `${mebibytes / 1024}g` : `${mebibytes}m`;
}

function isBeyond(wanted: number, most: number): boolean {
  return most > 0 && wanted > most;
}

function beyond(flag: string, has: string, fix: string): AppError {
  return new AppError(
    'SERVE_REFUSED',
    `${flag} is more than the machine of the Docker engine has: ${has}.`,
    { hint: `The most is ${fix}. Without the flag there is no limit for a job.` },
  );
}
