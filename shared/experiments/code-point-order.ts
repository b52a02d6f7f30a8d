/** Compares by code point as Python does. (JavaScript's `<` compares UTF-16 units: U+E000 after U+10000.) */
export function compareCodePoints(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) {
      const start = insidePair(a, at) || insidePair(b, at) ? at - 1 : at;
      return (a.codePointAt(start) ?? 0) - (b.codePointAt(start) ?? 0);
    }
  }
  return a.length - b.length;
}

/** Whether the unit is the second half of a surrogate pair. */
function insidePair(text: string, at: number): boolean {
  return at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xffff;
}
