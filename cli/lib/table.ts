/** Rows as lines with aligned columns; the last cell is not padded. Cells are plain text without wide characters. */
export function alignColumns(
  rows: readonly (readonly string[])[],
  layout: { readonly indent?: number; readonly gap?: number } = {},
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const gap = ' '.repeat(layout.gap ?? 2);
  const indent = ' '.repeat(layout.indent ?? 0);
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0),
    );
    return `${indent}${cells.join(gap)}`.trimEnd();
  });
}
