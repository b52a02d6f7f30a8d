import { AppError } from '../errors/app-error.ts';

/** Jobs for CPUs or for GPUs: they may want another base image and other packages. */
export type Mode = 'cpu' | 'gpu';

const SHORTCUT_VERSIONS = {
  pytorch: ['1.0', '1.1', '1.2', '1.3', '1.4'],
  tf: ['1.0', '1.13', '1.14', '1.15'],
  tf2: ['2.0', '2.1', '2.2'],
} as const;

/**
 * The base image that a setting stands for in a mode; null for null. `{}` (or `{0}`) in it stands for the mode, `{{` and `}}` for braces; `dlvm:LIB-MODE[-VERSION]`
 * stands for one of Google's Deep Learning images. Throws CONFIG_INVALID for other braces; `subject` says whose setting it is.
 */
export function baseImageFor(mode: Mode, setting: string | null, subject: string): string | null {
  return setting === null ? null : expandShortcut(fillIn(setting, mode, subject));
}

function fillIn(text: string, mode: Mode, subject: string): string {
  let places = 0;
  return text.replace(/\{\{|\}\}|\{0?\}|[{}]/g, (token) => {
    if (token === '{{' || token === '}}') return token[0] ?? '';
    places += 1;
    if (token.length === 1 || places > 1) throw badBraces(text, subject);
    return mode;
  });
}

function badBraces(text: string, subject: string): AppError {
  return new AppError(
    'CONFIG_INVALID',
    `${subject} ${JSON.stringify(text)} has braces that stand for nothing.`,
    {
      hint: 'Write {} once, where cpu or gpu is to stand; a brace itself is {{ or }}.',
      context: { value: text },
    },
  );
}

function expandShortcut(text: string): string {
  const [, library = '', mode = '', version] =
    /^dlvm:(\w+)-(cpu|gpu)(?:-([\d.]+))?$/.exec(text) ?? [];
  const versions: readonly string[] =
    Object.entries(SHORTCUT_VERSIONS).find(([name]) => name === library)?.[1] ?? [];
  if (versions.length === 0 || (version !== undefined && !versions.includes(version))) return text;
  const suffix = version === undefined ? '' : `.${version.replaceAll('.', '-')}`;
  return `gcr.io/deeplearning-platform-release/${library}-${mode}${suffix}`;
}
