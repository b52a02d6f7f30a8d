/** Rows as lines with aligned columns; the last cell is not padded. Cells are plain text without wide characters. */
export function alignColumns(
  rows: readonly (readonly string[])[],
  layout: {
    readonly indent?: number;
    readonly gap?: number;
    /** Wraps the last cell at blanks where a line would be longer. */
    readonly width?: number;
  } = {},
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const gap = ' '.repeat(layout.gap ?? 2);
  const indent = ' '.repeat(layout.indent ?? 0);
  return rows.flatMap((row) => {
    const head = row.slice(0, -1).map((cell, column) => cell.padEnd(widths[column] ?? 0) + gap);
    const start = `${indent}${head.join('')}`;
    const last = row.at(-1) ?? '';
    if (layout.width === undefined) return [`${start}${last}`.trimEnd()];
    return hang(start, last, layout.width);
  });
}

/** A text as lines of at most this many characters, broken at blanks only; a longer word has a line of its own. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

const MIN_LAST_COLUMN = 20;

// In a narrow terminal the last column stands below the others.
function hang(start: string, text: string, width: number): string[] {
  const room = width - start.length;
  if (room >= MIN_LAST_COLUMN || text.length <= room) {
    const [first = '', ...more] = wrapText(text, room);
    return [`${start}${first}`.trimEnd(), ...more.map((line) => ' '.repeat(start.length) + line)];
  }
  const below = ' '.repeat(8);
  return [start.trimEnd(), ...wrapText(text, width - below.length).map((line) => below + line)];
}
