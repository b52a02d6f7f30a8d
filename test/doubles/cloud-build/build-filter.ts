import { invalidArgument } from '../google-api/api-status.ts';
import { type Build, timeMs } from './build-record.ts';

type Matches = (build: Build) => boolean;

interface Token {
  readonly kind: 'word' | 'text' | 'operator' | 'open' | 'close' | 'minus';
  readonly value: string;
}

const TOKEN =
  /\s+|(?<open>\()|(?<close>\))|(?<operator><=|>=|!=|=|<|>|:)|(?<minus>-(?=[a-z(]))|"(?<text>(?:[^"\\]|\\.)*)"|(?<word>[\w.+:/@-]+?(?=<|>|!|=|:|\s|\(|\)|$)|[\w.+:/@-]+)/gy;
const TIMES = ['createTime', 'startTime', 'finishTime'] as const;

/**
 * Reads the filter of ListBuilds: comparisons of `tags`, `status`, `build_id`, the three times, `service_account`, `images`
 * and `substitutions.KEY`, with AND, OR (which binds tighter), NOT, `-` and parentheses. Throws INVALID_ARGUMENT.
 * After https://google.aip.dev/160; which fields Cloud Build takes is not checked (README.md).
 */
export function parseBuildFilter(filter: string): Matches {
  const tokens = tokenize(filter);
  if (tokens.length === 0) return () => true;
  const reader = createReader(filter, tokens);
  const matches = readAnd(reader);
  if (reader.peek() !== undefined) throw refused(filter, `unexpected ${reader.peek()?.value}`);
  return matches;
}

interface Reader {
  readonly filter: string;
  peek(): Token | undefined;
  /** The next token when it is of that kind (and value); it is read then. */
  take(kind: Token['kind'], value?: string): Token | undefined;
}

function createReader(filter: string, tokens: readonly Token[]): Reader {
  let at = 0;
  return {
    filter,
    peek: () => tokens[at],
    take(kind, value) {
      const token = tokens[at];
      if (token?.kind !== kind || (value !== undefined && token.value !== value)) return undefined;
      at += 1;
      return token;
    },
  };
}

function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  let end = 0;
  for (const match of filter.matchAll(TOKEN)) {
    end = match.index + match[0].length;
    const [found] = Object.entries(match.groups ?? {}).filter(([, value]) => value !== undefined);
    if (found === undefined) continue;
    const [kind, value] = found;
    tokens.push({ kind: kind as Token['kind'], value: value.replace(/\\(.)/g, '$1') });
  }
  if (end !== filter.length) throw refused(filter, `cannot read ${filter.slice(end)}`);
  return tokens;
}

function readAnd(reader: Reader): Matches {
  const all = [readOr(reader)];
  while (reader.peek() !== undefined && reader.peek()?.kind !== 'close') {
    reader.take('word', 'AND');
    all.push(readOr(reader));
  }
  return (build) => all.every((matches) => matches(build));
}

function readOr(reader: Reader): Matches {
  const any = [readTerm(reader)];
  while (reader.take('word', 'OR') !== undefined) any.push(readTerm(reader));
  return (build) => any.some((matches) => matches(build));
}

function readTerm(reader: Reader): Matches {
  if (reader.take('word', 'NOT') ?? reader.take('minus')) {
    const matches = readTerm(reader);
    return (build) => !matches(build);
  }
  if (reader.take('open') === undefined) return readComparison(reader);
  const matches = readAnd(reader);
  if (reader.take('close') === undefined) throw refused(reader.filter, 'a parenthesis is open');
  return matches;
}

function readComparison(reader: Reader): Matches {
  const field = reader.take('word')?.value;
  const operator = reader.take('operator')?.value;
  const value = (reader.take('text') ?? reader.take('word'))?.value;
  if (field === undefined || operator === undefined || value === undefined) {
    throw refused(reader.filter, 'a comparison is field, operator, value');
  }
  const camel = field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const time = TIMES.find((name) => name === camel);
  if (time !== undefined) return compareTimes(reader.filter, time, { operator, value });
  const texts = textsOf(field);
  if (texts === undefined) throw refused(reader.filter, `unknown field ${field}`);
  if (operator === '=' || operator === ':') return (build) => texts(build).includes(value);
  if (operator === '!=') return (build) => !texts(build).includes(value);
  throw refused(reader.filter, `${field} cannot be compared by ${operator}`);
}

function textsOf(field: string): ((build: Build) => readonly string[]) | undefined {
  const [, key] = /^substitutions\.(\w+)$/.exec(field) ?? [];
  if (key !== undefined) return ({ substitutions }) => [substitutions[key] ?? ''];
  switch (field) {
    case 'tags':
      return ({ tags }) => tags;
    case 'images':
      return ({ images }) => images;
    case 'status':
      return ({ status }) => [status];
    case 'build_id':
    case 'id':
      return ({ id }) => [id];
    case 'service_account':
      return ({ serviceAccount }) => [serviceAccount];
    default:
      return undefined;
  }
}

interface Compared {
  readonly operator: string;
  readonly value: string;
}

function compareTimes(
  filter: string,
  field: (typeof TIMES)[number],
  { operator, value }: Compared,
): Matches {
  const wanted = Date.parse(value);
  if (Number.isNaN(wanted)) throw refused(filter, `${value} is no time of RFC 3339`);
  const compare = COMPARE[operator];
  if (compare === undefined) throw refused(filter, `times cannot be compared by ${operator}`);
  return (build) => {
    const time = build[field];
    return time !== null && compare(timeMs(time), wanted);
  };
}

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function refused(filter: string, why: string) {
  return invalidArgument(`invalid filter ${JSON.stringify(filter)}: ${why}`);
}
