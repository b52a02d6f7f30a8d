import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { systemCode } from '../../durable-file.ts';

/** What an engine answers in place of a result. */
export interface EngineRefusal {
  readonly status: number;
  /** Its words, or those of the registry behind it. */
  readonly message: string;
}

/** The refusal in a thrown value; null: the engine did not answer at all. */
export function engineRefusal(error: unknown): EngineRefusal | null {
  if (!(error instanceof Error) || !('statusCode' in error)) return null;
  if (typeof error.statusCode !== 'number') return null;
  const { json } = { json: undefined, ...error };
  const said: unknown =
    typeof json === 'object' && json !== null ? Reflect.get(json, 'message') : null;
  return { status: error.statusCode, message: typeof said === 'string' ? said : error.message };
}

/** The result, or null when the engine has no such thing. Throws AppError UNAVAILABLE when it does not answer. */
export async function orUnknown<T>(asking: Promise<T>): Promise<T | null> {
  try {
    return await asking;
  } catch (error) {
    const refusal = engineRefusal(error);
    if (refusal?.status === 404) return null;
    if (refusal !== null) throw error;
    throw engineSilent(error);
  }
}

/** What to say of an engine that does not answer. */
export function engineSilent(cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const hint =
    systemCode(cause) === 'EACCES'
      ? 'Let the user of the service use Docker, as by the group docker.'
      : 'Start Docker.';
  return new AppError('UNAVAILABLE', `The Docker engine does not answer: ${reason}.`, {
    hint,
    cause,
  });
}

/** The result, or null when it takes longer. The engine's client takes no signal for these questions. */
export async function within<T>(ms: number, asking: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  try {
    const late = sleep(ms, null, { signal: timer.signal, ref: false }).catch(() => null);
    return await Promise.race([asking, late]);
  } finally {
    timer.abort();
  }
}
