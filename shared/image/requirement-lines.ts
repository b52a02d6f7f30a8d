/** A file or directory that a line of a requirements file names by its path. */
export interface NamedPath {
  /** `include`: `-r` and `-c`, read as further lines; `local`: something to install from, or to find packages in. */
  readonly kind: 'include' | 'local';
  readonly path: string;
  /** The line as written. */
  readonly line: string;
}

const OPTION =
  /^(?:(?<include>-[rc]|--(?:requirement|constraint)(?=[=\s]))|-[ef]|--(?:editable|find-links)(?=[=\s]))[=\s]*(?<path>.+)$/;
const LOCAL_PACKAGE = /^(?:\.{1,2}$|[^@;\s]*(?:\/|\.(?:whl|tar\.gz|zip)(?:$|[\s;[])))/i;
const URL = /^[a-z][a-z0-9+.-]+:/i;

/**
 * The paths that the lines of a requirements file name: what pip would look for beside the file. URLs, and what lies at an
 * absolute path of the image, are none of them.
 */
export function namedPaths(text: string): readonly NamedPath[] {
  return logicalLines(text).flatMap((line) => {
    const option = OPTION.exec(line)?.groups;
    const path = option === undefined ? localPackage(line) : unquoted(option['path'] ?? '');
    if (path === undefined || URL.test(path) || path.startsWith('/')) return [];
    return [{ kind: option?.['include'] === undefined ? 'local' : 'include', path, line }];
  });
}

/** Whether a requirements file names an index beside the usual one. */
export function namesExtraIndex(text: string): boolean {
  return logicalLines(text).some((line) => line.startsWith('--extra-index-url'));
}

function localPackage(line: string): string | undefined {
  return !line.startsWith('-') && LOCAL_PACKAGE.test(line) ? line.split(/[\s;]/, 1)[0] : undefined;
}

// As pip reads them: a backslash joins lines, ` #` begins a comment.
function logicalLines(text: string): string[] {
  return text
    .replaceAll(/\\\r?\n/g, '')
    .split(/\r?\n/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

function unquoted(value: string): string {
  return value.trim().replace(/^(['"])(.*)\1$/, '$2');
}
