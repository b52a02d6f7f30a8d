import { AppError } from '../errors/app-error.ts';
import { shellQuote } from '../text/shell-quote.ts';
import { aptPackages } from './apt-package.ts';
import { parseImageReference } from './reference.ts';

/** What a dependency image is made from. */
export interface DependencyImage {
  /** Reference of the base that cannot move. */
  readonly base: string;
  readonly apt: readonly string[];
  /** Version that the base's Python must have, as in `3.12`; null: any. */
  readonly python: string | null;
  /** Path of the requirements file below the context's directory of them; null: nothing to install. */
  readonly requirements: string | null;
  /** Whether requirements name an index beside the usual one. */
  readonly hasExtraIndex: boolean;
  /** Whether the build context has a bundle of certificate authorities. */
  readonly hasCaBundle: boolean;
  /** Tells the package index of the build secret from others, without its credentials; null: the usual index, no secret. */
  readonly index: string | null;
}

/** Names in the build context, and of the build secret that holds the URL of the package index. */
export const BUILD_CONTEXT = {
  requirements: 'requirements',
  caBundle: 'ca-bundle.pem',
  indexSecret: 'index_url',
} as const;

/** Version of uv, the installer of Python packages: never part of an image. */
export const UV_VERSION = '0.13.9';

const HOME = '/home/caliban';
const OWN = '/opt/caliban';
const VENV = `${OWN}/venv`;
const PYTHON = `${VENV}/bin/python`;
const CA_BUNDLE = `${OWN}/${BUILD_CONTEXT.caBundle}`;
const CACHE = '/var/cache/caliban';
const UV = `${OWN}/uv`;
const STAGE = { environment: 'environment', installer: 'installer' } as const;

// The variables by which common libraries and programs find certificate authorities.
const CA_VARIABLES = [
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'PIP_CERT',
  'GIT_SSL_CAINFO',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'HTTPLIB2_CA_CERTS',
] as const;

/**
 * The Dockerfile of a dependency image: the same text for the same input. It copies no code and nothing of the caller; it is
 * plain enough for the builder inside Docker 20.10 (no `# syntax` line, which would be fetched; no heredocs). Lines that
 * begin with `caliban: ` in the build's output say what the base lacks. Throws AppError BUILD_FAILED for hostile input.
 */
export function dependencyDockerfile(image: DependencyImage): string {
  parseImageReference(image.base);
  const hasRequirements = image.requirements !== null;
  const steps = [
    `FROM ${image.base}${hasRequirements ? ` AS ${STAGE.environment}` : ''}`,
    'SHELL ["/bin/sh", "-c"]',
    'USER 0:0',
    ...(image.hasCaBundle ? caSteps() : []),
    ...(image.apt.length === 0 ? [] : [aptStep(image)]),
    pythonStep(image.python),
    ...(image.requirements === null ? [] : requirementsSteps(image.requirements, image)),
    `ENV HOME=${HOME} PYTHONUNBUFFERED=1 VIRTUAL_ENV=${VENV} PATH=${VENV}/bin:$PATH`,
    'WORKDIR /usr/app',
    'USER 1000:1000',
  ];
  return `${steps.join('\n')}\n`;
}

function caSteps(): string[] {
  const variables = CA_VARIABLES.map((name) => `${name}=${CA_BUNDLE}`);
  return [`COPY ${BUILD_CONTEXT.caBundle} ${CA_BUNDLE}`, `ENV ${variables.join(' \\\n    ')}`];
}

function aptStep({ apt, hasCaBundle }: DependencyImage): string {
  const authorities = hasCaBundle ? ` -o Acquire::https::CAInfo=${CA_BUNDLE}` : '';
  const get = `apt-get -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0${authorities}`;
  const packages = aptPackages(apt).map(runWord);
  return runStep([
    `command -v apt-get >/dev/null || ${complain('the base image has no apt-get')}`,
    'export DEBIAN_FRONTEND=noninteractive',
    `${get} update`,
    `${get} install --yes --no-install-recommends -- ${packages.join(' ')}`,
    'apt-get clean',
    'rm -rf /var/lib/apt/lists/*',
  ]);
}

// The entry is put first, by hand: that works on every base, also when it has another name for the number.
function pythonStep(python: string | null): string {
  return runStep([
    entryFirst('/etc/passwd', `caliban:x:1000:1000:caliban:${HOME}:/bin/sh`),
    entryFirst('/etc/group', 'caliban:x:1000:'),
    `mkdir -p /usr/app ${HOME}`,
    `chown 1000:1000 /usr/app ${HOME}`,
    `chmod 0777 /usr/app ${HOME}`,
    `command -v python3 >/dev/null || ${complain('the base image has no python3')}`,
    ...(python === null ? [] : pythonCheck(runWord(python))),
    `python3 -m venv --without-pip --system-site-packages ${VENV} || ${complain('the base image has a python3 that cannot make virtual environments')}`,
  ]);
}

function entryFirst(file: string, entry: string): string {
  return `old=$(cat ${file} 2>/dev/null || true); printf '%s\\n' ${runWord(entry)} "$old" >${file}`;
}

function pythonCheck(wanted: string): string[] {
  return [
    `has=$(python3 -c 'import platform; print(platform.python_version())')`,
    `case "$has" in ${wanted}|${wanted}.*) ;; *) printf 'caliban: the base image has Python %s, not %s\\n' "$has" ${wanted}; exit 1;; esac`,
  ];
}

/**
 * The installer comes from a stage of its own, read-only: packages that are built from source run their code as root in the last step,
 * and what they can write to, they can write to for every later build. Of the shared cache of packages that stays true.
 */
function requirementsSteps(
  requirements: string,
  { index, hasExtraIndex }: Pick<DependencyImage, 'index' | 'hasExtraIndex'>,
): string[] {
  const { indexSecret } = BUILD_CONTEXT;
  const secret = index === null ? [] : [`--mount=type=secret,id=${indexSecret},required=true`];
  const mounts = [
    `--mount=type=bind,source=${BUILD_CONTEXT.requirements},target=${OWN}/requirements`,
    `--mount=type=bind,from=${STAGE.installer},source=${UV},target=${UV}`,
    `--mount=type=cache,id=caliban,target=${CACHE}`,
    ...secret,
  ];
  // Several indexes mean what they mean to pip, for which requirements files are written. (Of one that refuses, uv then says nothing.)
  const strategy = hasExtraIndex ? ' --index-strategy unsafe-best-match' : '';
  const useIndex = [
    `: index ${runWord(index ?? '')}`,
    `PIP_INDEX_URL=$(cat /run/secrets/${indexSecret})`,
    `export PIP_INDEX_URL UV_DEFAULT_INDEX="$PIP_INDEX_URL"`,
  ];
  const withIndex = index === null ? [] : useIndex;
  const installer = [
    ...withIndex,
    `${PYTHON} -m pip --version >/dev/null 2>&1 || ${PYTHON} -m ensurepip >/dev/null 2>&1 || ${complain('the base image has neither pip nor ensurepip')}`,
    `PIP_USER=0 PIP_ROOT_USER_ACTION=ignore ${PYTHON} -m pip install --quiet --no-input --disable-pip-version-check --no-cache-dir --no-deps --target ${UV} uv==${UV_VERSION}`,
  ];
  const packages = [
    ...withIndex,
    'export NO_COLOR=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_NO_CONFIG=1',
    `export UV_CACHE_DIR=${CACHE}/uv-cache`,
    `${UV}/bin/uv pip install --python ${PYTHON}${strategy} -r ${runWord(`${OWN}/requirements/${requirements}`)}`,
  ];
  return [
    `FROM ${STAGE.environment} AS ${STAGE.installer}`,
    runStep(installer, secret),
    `FROM ${STAGE.environment}`,
    runStep(packages, mounts),
  ];
}

// One stream: two would be mixed within lines.
function runStep(commands: readonly string[], mounts: readonly string[] = []): string {
  const lines = ['exec 2>&1', 'set -eu', ...commands].join('; \\\n    ');
  return ['RUN', ...mounts.map((mount) => `${mount} \\\n   `), lines].join(' ');
}

function complain(what: string): string {
  return `{ echo ${runWord(`caliban: ${what}`)}; exit 1; }`;
}

/** One word of a shell command in a RUN line. Unlike a shell, a Dockerfile can carry no line break in a word. */
function runWord(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  if (/[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(word)) {
    throw new AppError('BUILD_FAILED', `${JSON.stringify(word)} has control characters.`, {
      hint: 'Rename it.',
    });
  }
  return shellQuote(word);
}
