/** The call ran out of its time; whether it took effect is not known. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** Gives a call up after `ms`; what it does later is nobody's any more. Throws DeadlineError, or what the call throws. */
export async function withDeadline<T>(ms: number, call: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([call(), late]);
  } finally {
    clearTimeout(timer);
  }
}
