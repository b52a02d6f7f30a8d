import { AppError } from '../errors/app-error.ts';
import { positionAt } from './text-position.ts';

/** A text being read: `at` is the UTF-16 offset of the next character. `subject` names it in messages. */
export interface Cursor {
  readonly text: string;
  readonly subject: string;
  /** The keys read so far, each once. */
  readonly keys: Map<string, string>;
  at: number;
  depth: number;
}

/** A cursor before the first character. */
export function createCursor(text: string, subject: string): Cursor {
  return { text, subject, keys: new Map(), at: 0, depth: 0 };
}

/** What is wrong with the text, and the fix. */
export interface Complaint {
  readonly message: string;
  readonly hint: string;
}

/** The CONFIG_SYNTAX error for a place in the text. */
export function syntaxError(cursor: Cursor, offset: number, complaint: Complaint): AppError {
  const { line, column } = positionAt(cursor.text, offset);
  const message = `${cursor.subject}, line ${line}, column ${column}: ${complaint.message}.`;
  return new AppError('CONFIG_SYNTAX', message, {
    hint: complaint.hint,
    context: { line, column, reason: 'syntax' },
  });
}

/** What may be expected of the next token. */
export const A_VALUE = 'a value';
/** See `A_VALUE`. */
export const A_KEY = 'a key in double quotes';

/** Explains what stands where something else (`A_VALUE`, `A_KEY` or other words) is needed. */
export function unexpectedAt(cursor: Cursor, expected: string): AppError {
  const { text, at } = cursor;
  if (at >= text.length) {
    return syntaxError(cursor, at, {
      message: `the text ends where ${expected} is needed`,
      hint: `Finish the text: add ${expected}.`,
    });
  }
  const known = KNOWN_MISTAKES.find((mistake) => text.startsWith(mistake.starts, at));
  if (known) return syntaxError(cursor, at, known);
  const word = WORD.exec(text.slice(at, at + LONGEST_WORD))?.[0];
  if (word) return syntaxError(cursor, at, wordComplaint(word, expected));
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
  return syntaxError(cursor, at, {
    message: `${JSON.stringify(character)} stands where ${expected} is needed`,
    hint: `Put ${expected} here, or remove the character.`,
  });
}

const LONGEST_WORD = 40;
const WORD = /^[+\-.\w$]+/;

const KNOWN_MISTAKES = [
  {
    starts: '/*',
    message: 'block comments (/* */) are not part of the format',
    hint: 'Start every comment line with # or //.',
  },
  {
    starts: "'",
    message: 'strings and keys need double quotes, not single ones',
    hint: 'Write "text" instead of \'text\'.',
  },
  {
    starts: '\uFEFF',
    message: 'a byte order mark (U+FEFF) is not part of the format',
    hint: 'Save the file as UTF-8 without a byte order mark.',
  },
] as const;

const CONSTANTS: ReadonlyMap<string, string> = new Map([
  ['True', 'true'],
  ['TRUE', 'true'],
  ['False', 'false'],
  ['FALSE', 'false'],
  ['None', 'null'],
  ['NULL', 'null'],
]);

function wordComplaint(word: string, expected: string): Complaint {
  if (expected === A_VALUE) return valueComplaint(word);
  const message = `${word} stands where ${expected} is needed`;
  if (expected === A_KEY) return { message, hint: `Put the key in double quotes: "${word}".` };
  return { message, hint: `Put ${expected} here, or remove ${word}.` };
}

function valueComplaint(word: string): Complaint {
  const constant = CONSTANTS.get(word);
  if (constant) return { message: `${word} is not a JSON word`, hint: `Write ${constant}.` };
  if (/^[+-]?(nan|inf|infinity)$/i.test(word)) {
    return {
      message: `${word} is not a JSON number`,
      hint: `Write it as a string: "${word}". The program gets the same text.`,
    };
  }
  if (/^[+\-.\d]/.test(word)) return numberComplaint(word);
  return {
    message: `the bare word ${word} stands where a value is needed`,
    hint: `Put it in double quotes: "${word}".`,
  };
}

/** Explains why something that looks like a number is none. */
export function numberComplaint(word: string): Complaint {
  return {
    message: `${word} is not a JSON number${numberReason(word)}`,
    hint: 'Write numbers as 10, -3, 0.5 or 1e-5; put anything else in double quotes.',
  };
}

function numberReason(word: string): string {
  if (word.startsWith('+')) return ' (no leading +)';
  if (/^-?0\d/.test(word)) return ' (no leading zeros)';
  if (/^-?\./.test(word)) return ' (a digit is needed before the dot)';
  if (/\.(?!\d)/.test(word)) return ' (a digit is needed after the dot)';
  return '';
}
