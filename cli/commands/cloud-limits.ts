import { LIMITS } from '../../shared/api/limits.ts';
import { groupName, plainText } from '../../shared/api/plain-text.ts';
import { submissionSpec } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { OptionValues } from '../lib/option-values.ts';
import { printable } from '../lib/output.ts';

const MAX_SHOWN = 60;

/**
 * Holds the flags that travel as they are against what the service takes, in the user's words, before anything is packed.
 * Throws USAGE, LIMIT_EXCEEDED.
 */
export function checkCloudFlags(
  options: OptionValues,
  labels: Readonly<Record<string, string>>,
): void {
  const name = options.text('name');
  if (name !== undefined) checkName(name);
  const group = options.text('xgroup');
  if (group !== undefined) checkGroup(group);
  checkLabels(labels);
}

function checkName(name: string): void {
  if (name === '') throw new AppError('USAGE', '--name is empty.', { hint: 'Leave it out.' });
  if (name.length > LIMITS.nameLength) throw tooLong('--name', name.length, LIMITS.nameLength);
  checkPlain('--name', name);
}

function checkGroup(group: string): void {
  if (group.length > LIMITS.groupNameLength) {
    throw tooLong('--xgroup', group.length, LIMITS.groupNameLength);
  }
  if (groupName.safeParse(group).success) return;
  throw new AppError(
    'USAGE',
    `--xgroup "${shown(group)}" is not the name of a group: NAME or OWNER/NAME.`,
    { hint: 'A name has no slash and no control characters.' },
  );
}

function checkLabels(labels: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(labels)) {
    checkPlain(`--label ${shown(key)}`, key);
    checkPlain(`--label ${shown(key)}`, value);
  }
  const checked = submissionSpec.shape.labels.safeParse(labels);
  if (checked.success) return;
  const reasons = checked.error.issues.map((issue) => {
    // Of a key that is refused only what is inside says why.
    const reason = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
    const message = reason ?? issue.message;
    return issue.path.length === 0 ? message : `${shown(String(issue.path[0]))}: ${message}`;
  });
  throw new AppError('LIMIT_EXCEEDED', `--label: ${reasons.join('; ')}.`, {
    hint: 'Give fewer or shorter labels; --name is one too.',
  });
}

function checkPlain(what: string, text: string): void {
  if (plainText.safeParse(text).success) return;
  throw new AppError('USAGE', `${what} has control characters or is no valid Unicode.`, {
    hint: 'Give it as plain text on one line.',
  });
}

function tooLong(flag: string, length: number, limit: number): AppError {
  return new AppError('LIMIT_EXCEEDED', `${flag} has ${length} characters; at most ${limit}.`, {
    hint: 'Give a shorter one.',
    context: { length, limit },
  });
}

function shown(text: string): string {
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
