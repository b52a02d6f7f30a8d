import { AppError } from '../errors/app-error.ts';

// Names: Debian policy 5.6.1; a `-` at the end would ask apt-get to remove the package. Versions: 5.6.12.
const NAME = '[a-z0-9][a-z0-9+.-]*[a-z0-9+.]';
const APT_PACKAGE = new RegExp(
  `^${NAME}(?::[a-z0-9][a-z0-9-]*)?(?:=[A-Za-z0-9][A-Za-z0-9.+~:-]*|/[A-Za-z0-9][A-Za-z0-9.-]*)?$`,
);

/** Packages for apt-get, sorted and each once. Throws AppError BUILD_FAILED for what names none. */
export function aptPackages(packages: readonly string[]): readonly string[] {
  const unknown = packages.find((name) => !APT_PACKAGE.test(name));
  if (unknown !== undefined) {
    throw new AppError('BUILD_FAILED', `${JSON.stringify(unknown)} is no name of an apt package.`, {
      hint: 'Write NAME, NAME=VERSION, NAME:ARCHITECTURE or NAME/RELEASE, the name in lower case.',
      context: { package: unknown },
    });
  }
  return [...new Set(packages)].toSorted();
}
