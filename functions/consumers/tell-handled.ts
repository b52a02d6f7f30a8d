import type { CoreDeps } from '../core/deps.ts';
import type { Message } from '../ports/message.ts';
import type { LogFields } from '../ports/runtime.ts';

/** Logs and counts what became of a message. Its own fields are the line's: the id of its submission, its lane. */
export function tellHandled(
  deps: Pick<CoreDeps, 'log' | 'meters'>,
  message: Message,
  told: { readonly outcome: 'done' | 'parked' | 'put back' } & LogFields,
): void {
  const level = told.outcome === 'done' ? 'debug' : 'warn';
  deps.log[level]({ ...message, ...told }, `message ${told.outcome}`);
  const outcome = told.outcome.replace(' ', '_');
  deps.meters.count('caliban_messages_handled_total', { kind: message.kind, outcome });
}
