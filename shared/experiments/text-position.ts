/** A place in a text as editors count it: both from 1, the column in characters (code points). */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

const LONGEST_COLUMN_COUNT = 10_000;

/** Line and column of a UTF-16 offset. Lines end with `\n`. Reads the text up to the offset. */
export function positionAt(text: string, offset: number): TextPosition {
  let line = 1;
  let lineStart = 0;
  for (
    let end = text.indexOf('\n');
    end !== -1 && end < offset;
    end = text.indexOf('\n', lineStart)
  ) {
    line++;
    lineStart = end + 1;
  }
  return { line, column: charactersBetween(text, lineStart, offset) + 1 };
}

// Beyond this length nobody counts characters by eye, and spreading the line would cost its size again.
function charactersBetween(text: string, start: number, end: number): number {
  const length = end - start;
  return length > LONGEST_COLUMN_COUNT ? length : Array.from(text.slice(start, end)).length;
}
