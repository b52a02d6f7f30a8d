/** Words as one POSIX shell command line: a shell reads exactly these words back. Only what needs it is quoted. */
export function shellLine(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/** One word, quoted where a POSIX shell would read something else. No shell can be given a NUL character. */
export function shellQuote(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// Characters without a meaning to any common shell. `=` only in options: NAME=VALUE before a command assigns.
const PLAIN = /^(?:-[\w@%+=:,./-]*|[\w@%+:,./][\w@%+:,./-]*)$/;
