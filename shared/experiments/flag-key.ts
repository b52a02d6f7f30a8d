/** The flag names a key stands for; `compound` when it was written as `[a,b]`. */
export interface FlagKey {
  readonly names: readonly string[];
  readonly compound: boolean;
}

/** Why a key stands for no flag: ends the sentence "key "x" ...". */
export interface BadFlagKey {
  readonly problem: string;
}

/**
 * Reads a key of an experiment config: one flag name, or `[a,b,...]` for flags that vary together (blanks
 * allowed around names). Names have no white space, commas or square brackets.
 */
export function parseFlagKey(key: string): FlagKey | BadFlagKey {
  const compound = key.startsWith('[') && key.endsWith(']');
  const names = compound ? key.slice(1, -1).split(',').map(trimmed) : [key];
  for (const name of names) {
    const problem = nameProblem(name, compound);
    if (problem) return { problem };
  }
  return { names, compound };
}

// Printable ASCII without comma and brackets: nearly every name, told at once.
const PLAIN_NAME = /^[!-+\--Z\\^-~]+$/;

function nameProblem(name: string, compound: boolean): string | undefined {
  if (PLAIN_NAME.test(name)) return undefined;
  if (name === '') return compound ? 'has an empty name between its brackets' : 'is empty';
  if (Array.from(name).some(isWhiteSpace)) return 'contains white space';
  if (name.includes(',')) return 'contains a comma';
  if (name.includes('[') || name.includes(']')) return 'has a square bracket in the wrong place';
  return undefined;
}

function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhiteSpace(text.charAt(start))) start++;
  while (end > start && isWhiteSpace(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

// Python's idea of white space: JavaScript's \s, but with U+001C-U+001F and U+0085, and without U+FEFF.
function isWhiteSpace(character: string): boolean {
  const code = character.charCodeAt(0);
  if ((code >= 0x1c && code <= 0x1f) || code === 0x85) return true;
  return code !== 0xfeff && /\s/.test(character);
}
