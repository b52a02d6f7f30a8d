/** A float as Python's `repr` shows it: shortest text that reads back, always with a dot or an exponent. */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) return exponentForm(value);
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

function exponentForm(value: number): string {
  const [mantissa, exponent = '+0'] = value.toExponential().split('e');
  return `${mantissa}e${exponent.charAt(0)}${exponent.slice(1).padStart(2, '0')}`;
}
