import { AppError } from '../errors/app-error.ts';

// Names: Debian policy 5.6.1; a `-` at the end would ask apt-get to remove the package. Versions: 5.6.12.
const NAME = '[a-z0-9][a-z0-9+.-]*[a-z0-9+.]';
const APT_PACKAGE = new RegExp(
  `^${NAME}(?::[a-z0-9][a-z0-9-]*)?(?:=[A-Za-z0-9][A-Za-z0-9.+~:-]*|/[A-Za-z0-9][A-Za-z0-9.-]*)?$`,
);

/** How the name of an apt package is written. */
export const APT_PACKAGE_HINT =
  'Write NAME, NAME=VERSION, NAME:ARCHITECTURE or NAME/RELEASE, the name in lower case.';

/** Whether a text names a package for apt-get and nothing else. */
export function isAptPackage(text: string): boolean {
  return APT_PACKAGE.test(text);
}

/** Packages for apt-get, sorted and each once. Throws AppError BUILD_FAILED for what names none. */
export function aptPackages(packages: readonly string[]): readonly string[] {
  const unknown = packages.find((name) => !isAptPackage(name));
  if (unknown !== undefined) {
    throw new AppError('BUILD_FAILED', `${JSON.stringify(unknown)} is no name of an apt package.`, {
      hint: APT_PACKAGE_HINT,
      context: { package: unknown },
    });
  }
  return [...new Set(packages)].toSorted();
}
