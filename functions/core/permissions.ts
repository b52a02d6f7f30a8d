import { AppError } from '../../shared/errors/app-error.ts';
import type { Principal } from '../ports/authenticator.ts';

/** Throws FORBIDDEN unless the principal may submit: viewers only look. */
export function requireSubmitter(principal: Principal): void {
  if (principal.role !== 'viewer') return;
  throw new AppError('FORBIDDEN', `${principal.id} may look, but not submit or stop.`, {
    hint: 'Ask an admin of the service for the role submitter.',
  });
}

/** Throws FORBIDDEN unless the principal may submit and is one of the owners, or an admin. */
export function requireOwner(
  principal: Principal,
  what: string,
  owners: readonly (string | undefined)[],
): void {
  requireSubmitter(principal);
  if (principal.role === 'admin' || owners.includes(principal.id)) return;
  throw new AppError('FORBIDDEN', `${what} belongs to ${owners[0] ?? 'someone else'}.`, {
    hint: 'Only its owner or an admin may stop it.',
  });
}

/** Throws FORBIDDEN unless the principal is an admin. */
export function requireAdmin(principal: Principal): void {
  if (principal.role === 'admin') return;
  throw new AppError('FORBIDDEN', `${principal.id} is no admin of this service.`, {
    hint: 'Ask one, or use the token of one.',
  });
}
