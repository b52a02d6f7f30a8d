// Prometheus's text format 0.0.4, read as strictly as its words allow: what this takes, promtool takes.

/** A number as it was read. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Numbers of one name. */
export interface ParsedFamily {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ParsedSample[];
}

interface OpenFamily {
  readonly name: string;
  readonly help: string;
  type: string | undefined;
  readonly samples: ParsedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const NUMBER = /^(?:NaN|[+-]Inf|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const SUFFIXES = ['_bucket', '_sum', '_count'];

/** Every family of a text, by name. Throws an Error that names the line it cannot take. */
export function parsePrometheus(text: string): ReadonlyMap<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, ParsedFamily>();
  let open: OpenFamily | undefined;
  const close = () => {
    if (open !== undefined) families.set(open.name, checked(open));
  };
  for (const line of text.slice(0, -1).split('\n')) {
    if (line.startsWith('# HELP ')) {
      close();
      open = familyOf(line);
      if (families.has(open.name)) throw new Error(`a second time: ${line}`);
    } else if (open === undefined) throw new Error(`before any HELP: ${line}`);
    else if (line.startsWith('# TYPE ')) setType(open, line);
    else open.samples.push(sampleOf(open, line));
  }
  close();
  return families;
}

function familyOf(line: string): OpenFamily {
  const [, name = '', help = ''] = /^# HELP (\S+) (.*)$/s.exec(line) ?? [];
  if (NAME.exec(name)?.[0] !== name) throw new Error(`no name: ${line}`);
  if (help.trim() === '') throw new Error(`no help: ${line}`);
  if (/\\(?![\\n])/.test(help.replaceAll('\\\\', ''))) throw new Error(`an escape: ${line}`);
  return { name, help, type: undefined, samples: [] };
}

function setType(open: OpenFamily, line: string): void {
  const [, name, type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
  if (name !== open.name || !TYPES.has(type)) throw new Error(`no type of ${open.name}: ${line}`);
  if (open.type !== undefined || open.samples.length > 0) throw new Error(`too late: ${line}`);
  open.type = type;
}

function sampleOf({ name: family, type }: OpenFamily, line: string): ParsedSample {
  const name = NAME.exec(line)?.[0] ?? '';
  const isOwn =
    type === 'histogram' ? SUFFIXES.includes(name.slice(family.length)) : name === family;
  if (!isOwn || !name.startsWith(family)) throw new Error(`none of ${family}: ${line}`);
  const { labels, rest } = labelsOf(line.slice(name.length), line);
  if (!NUMBER.test(rest)) throw new Error(`no number: ${line}`);
  return { name, labels, value: Number(rest.replace('Inf', 'Infinity')) };
}

function labelsOf(text: string, line: string) {
  const labels: Record<string, string> = {};
  if (!text.startsWith('{')) return { labels, rest: text.replace(/^ /, '') };
  let rest = text.slice(1);
  for (;;) {
    const [whole = '', name = '', value = ''] = LABEL.exec(rest) ?? [];
    if (whole === '' || name in labels) throw new Error(`no label at ${rest}: ${line}`);
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped));
    rest = rest.slice(whole.length);
    if (rest.startsWith('} ')) return { labels, rest: rest.slice(2) };
    if (!rest.startsWith(',')) throw new Error(`no end of the labels at ${rest}: ${line}`);
    rest = rest.slice(1);
  }
}

function checked({ name, help, type, samples }: OpenFamily): ParsedFamily {
  if (type === undefined) throw new Error(`${name} has no type`);
  if ((type === 'counter') !== name.endsWith('_total')) {
    throw new Error(`${name}: a counter, and nothing else, ends in _total`);
  }
  if (type !== 'histogram' && SUFFIXES.some((suffix) => name.endsWith(suffix))) {
    throw new Error(`${name} has a name of a histogram's part`);
  }
  const keys = samples.map((sample) => keyOf(sample));
  if (new Set(keys).size < keys.length)
    throw new Error(`${name} has two values of the same labels`);
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0))) {
    throw new Error(`${name} counts below zero`);
  }
  if (type === 'histogram') for (const series of seriesOf(samples)) checkHistogram(name, series);
  return { help, type, samples };
}

function keyOf({ name, labels }: ParsedSample, without?: string): string {
  const pairs = Object.entries(labels).filter(([label]) => label !== without);
  return JSON.stringify([without === undefined ? name : '', pairs.toSorted()]);
}

function seriesOf(samples: readonly ParsedSample[]): Iterable<ParsedSample[]> {
  return Map.groupBy(samples, (sample) => keyOf(sample, 'le')).values();
}

function checkHistogram(name: string, series: readonly ParsedSample[]): void {
  const buckets = series.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity')));
  const counts = buckets.map(({ value }) => value);
  const [count, ...others] = series.filter((sample) => sample.name === `${name}_count`);
  const sums = series.filter((sample) => sample.name === `${name}_sum`);
  const isRising = (values: readonly number[], strictly: boolean) =>
    values.every((value, at) => {
      const before = values[at - 1] ?? Number.NEGATIVE_INFINITY;
      return strictly ? value > before : value >= before;
    });
  if (!isRising(bounds, true)) throw new Error(`${name}: bounds ${bounds}`);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name} lacks +Inf`);
  if (!isRising(counts, false)) throw new Error(`${name} is not cumulative: ${counts}`);
  if (count === undefined || others.length > 0 || count.value !== counts.at(-1)) {
    throw new Error(`${name}: _count is not the +Inf bucket`);
  }
  if (sums.length !== 1) throw new Error(`${name} has ${sums.length} sums`);
}
