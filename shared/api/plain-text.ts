import * as z from 'zod';
import { LIMITS } from './limits.ts';

// Spelt as ranges: in OpenAPI it must mean the same to every regular expression engine.
const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029';

/** Matches texts without control characters. */
export const NO_CONTROLS: RegExp = new RegExp(`^[^${CONTROLS}]*$`);

/** Whether a text has no lone half of a character: such a half can be neither stored, printed nor sent in a URL. */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}

/** A text without control characters: those would reach terminals, labels and logs. */
export const plainText = z
  .string()
  .regex(NO_CONTROLS, 'must not contain control characters')
  .refine(isWellFormed, 'must be valid Unicode');

/** NAME or OWNER/NAME. */
export const groupName = z
  .string()
  .min(1)
  .max(LIMITS.groupNameLength)
  .regex(
    new RegExp(`^[^/${CONTROLS}]+(?:/[^/${CONTROLS}]+)?$`),
    'must be NAME or OWNER/NAME, without control characters',
  )
  .refine(isWellFormed, 'must be valid Unicode');
