/** Below this a password stands in too many words that are none of its business: then it counts only as part of an address. */
const SHORTEST = 8;

/** What an address holds that nobody but its server may know: its password, or the user's name where that is all there is. */
export function secretsOfUrl(address: string | null): readonly string[] {
  const url = address === null ? null : URL.parse(address);
  if (url === null || (url.username === '' && url.password === '')) return [];
  const user = decoded(url.username);
  const password = decoded(url.password);
  const word = password === '' ? user : password;
  const pair = password === '' ? `${user}@` : `${user}:${password}@`;
  return word.length < SHORTEST ? [pair] : [word, pair];
}

/** Blots secrets out of a text, plain or as JSON, however their characters are written in an address. */
export function createRedactor(secrets: readonly string[]): (text: string) => string {
  // The longest first: one may be a part of another.
  const known = secrets.filter((secret) => secret !== '').toSorted((a, b) => b.length - a.length);
  if (known.length === 0) return (text) => text;
  const pattern = new RegExp(known.map(patternOf).join('|'), 'g');
  return (text) => text.replace(pattern, '[secret]');
}

function patternOf(secret: string): string {
  return Array.from(secret.toWellFormed(), (character) => {
    // A percent sign may be the first byte of itself.
    return `(?:${encodedPattern(character)}|${plainPattern(character)})`;
  }).join('');
}

// As it is, as JSON, and as JSON in JSON.
function plainPattern(character: string): string {
  if (character === '\\') return String.raw`(?:\\{4}|\\{2}|\\)`;
  if (character === '"') return String.raw`(?:\\{3}|\\)?"`;
  return character.replace(/[$()*+./?[\]^{|}-]/, String.raw`\$&`);
}

// Any character may be encoded, and what was encoded may be encoded again.
function encodedPattern(character: string): string {
  const bytes = [...Buffer.from(character)];
  return bytes.map((byte) => `%(?:25)*${anyCase(byte.toString(16).padStart(2, '0'))}`).join('');
}

function anyCase(hex: string): string {
  return hex.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
