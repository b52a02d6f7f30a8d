import { describe, test } from 'vitest';
import { explainImageBuildLog } from '../../../../../functions/adapters/images/build-explanation.ts';

const REFERENCE = 'mine:1';

// What the builders print around the words of a program: of Docker 20.10, and of buildx.
const OLD = (lines: readonly string[]) => `$ /usr/bin/docker build --progress=plain x
#8 [3/3] RUN exec 2>&1;     set -eu;     command -v python3 >/dev/null || { echo 'caliban: the base image has no python3'; exit 1; }
#8 sha256:5e3d
${lines.map((line) => `#8 0.303 ${line}`).join('\n')}
#8 ERROR: executor failed running [/bin/sh -c exec 2>&1;     { echo 'caliban: the base image has no python3'; exit 1; }]: exit code: 1
------
 > [3/3] RUN exec 2>&1;     set -eu;     { echo 'caliban: the base image has no python3'; exit 1; }:
------
executor failed running [/bin/sh -c exec 2>&1;     { echo 'caliban: the base image has no python3'; exit 1; }]: exit code: 1
`;
const BUILDX = (lines: readonly string[]) => `$ /usr/bin/docker build --progress=plain x
#8 [3/3] RUN exec 2>&1;     command -v python3 >/dev/null || { echo 'caliban: the base image has no python3'; exit 1; }
${lines.map((line) => `#8 0.303 ${line}`).join('\n')}
#8 ERROR: process "/bin/sh -c exec 2>&1;" did not complete successfully: exit code: 1
------
 > [3/3] RUN exec 2>&1;     { echo 'caliban: the base image has no python3'; exit 1; }:
${lines.map((line) => `0.303 ${line}`).join('\n')}
------
Dockerfile:3
--------------------
   3 | >>>     command -v python3 >/dev/null || { echo 'caliban: the base image has no python3'; exit 1; }; \\
--------------------
ERROR: failed to solve: process "/bin/sh -c exec 2>&1;" did not complete successfully: exit code: 1
`;

describe('explainImageBuildLog', () => {
  // Message and hint, as real programs worded it (uv 0.13.9, apt 2.6, pip 23.0, Docker 20.10).
  test.for<readonly [name: string, said: string, message: RegExp, hint: RegExp, retryable?: true]>([
    [
      'a package that no index has',
      'Using Python 3.11.2 environment at: /opt/caliban/venv\nerror: No solution found when resolving dependencies\n  cause: Because nosuch was not found in the package registry and you require nosuch==9, we can conclude that your requirements are unsatisfiable.',
      /^The dependency image could not be built: No solution found when resolving dependencies: Because nosuch was not found .* unsatisfiable\.$/,
      /names and versions/,
    ],
    [
      'requirements that exclude each other',
      'error: No solution found when resolving dependencies\n  cause: Because all of:\n             pandas>=2.0.0,<=2.0.3\n         depend on numpy>=1.21.0.\n         And because you require numpy<1.20 and pandas>=2, we can conclude that your requirements are unsatisfiable.',
      /pandas>=2\.0\.0,<=2\.0\.3 depend on numpy>=1\.21\.0\. And because you require numpy<1\.20/,
      /names and versions/,
    ],
    [
      'a Python that is too old',
      'error: No solution found when resolving dependencies\n  cause: Because the current Python version (3.11.2) does not satisfy Python>=3.12 and numpy==2.5.1 depends on Python>=3.12, we can conclude that numpy==2.5.1 cannot be used.',
      /current Python version \(3\.11\.2\) does not satisfy/,
      /another Python/,
    ],
    [
      'a package that must be compiled',
      'error: Failed to build `psycopg2==2.9.9`\n  cause: The build backend returned an error\n  cause: Call to `build_wheel` failed (exit status: 1)\n\n         [stdout]\n         running egg_info\n\nhint: Build failures usually indicate a problem',
      /: Failed to build `psycopg2==2\.9\.9`: The build backend returned an error: Call to `build_wheel` failed \(exit status: 1\)$/,
      /build-essential/,
    ],
    [
      'a missing git',
      'error: Git operation failed\n  cause: Git executable not found. Ensure that Git is installed and available.',
      /Git executable not found/,
      /^Add git to the apt packages/,
    ],
    [
      'an index out of reach',
      'error: Request failed after 3 retries in 6.3s\n  cause: Failed to fetch: https://packages.example/simple/tomli/\n  cause: dns error\n  cause: failed to lookup address information: Temporary failure in name resolution',
      /Request failed after 3 retries/,
      /network and proxy/,
      true,
    ],
    [
      'an installer out of reach, whatever pip concludes from it',
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('Temporary failure in name resolution')': /simple/uv/\nERROR: No matching distribution found for uv==0.13.9",
      /NewConnectionError/,
      /network and proxy/,
      true,
    ],
    [
      'a certificate that is not trusted',
      'error: Failed to fetch: https://packages.example/simple/tomli/\n  cause: invalid peer certificate: UnknownIssuer\n\nhint: Consider enabling use of system TLS certificates',
      /invalid peer certificate: UnknownIssuer$/,
      /ca_bundle/,
    ],
    [
      'an index that refuses',
      'error: No solution found when resolving dependencies\n  cause: Because x was not found in the package registry and you require x, we can conclude that your requirements are unsatisfiable.\n\nhint: An index URL (http://packages.example/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)',
      /Because x was not found in the package registry/,
      /index_url/,
    ],
    [
      'an index without the installer',
      'ERROR: Could not find a version that satisfies the requirement uv==0.13.9 (from versions: none)\nERROR: No matching distribution found for uv==0.13.9',
      /: No matching distribution found for uv==0\.13\.9$/,
      /must offer the package uv/,
    ],
    [
      'an unknown apt package',
      "Reading package lists...\nE: Unable to locate package nosuch\nE: Version '9' for 'tree' was not found",
      /: Unable to locate package nosuch; Version '9' for 'tree' was not found$/,
      /apt packages/,
    ],
    [
      'an apt mirror out of reach, whatever apt concludes from it',
      "W: Failed to fetch http://deb.example/InRelease  Temporary failure resolving 'deb.example'\nE: Unable to locate package tree",
      /: Failed to fetch http:\/\/deb\.example/,
      /network and proxy/,
      true,
    ],
    [
      'a full disk',
      'E: Write error - write (28: No space left on device)',
      /No space left/,
      /docker system df/,
      true,
    ],
    [
      'a base without Python',
      'caliban: the base image has no python3',
      /^The base image mine:1 has no python3\.$/,
      /python3-pip to the apt packages/,
    ],
    [
      'a base without apt',
      'caliban: the base image has no apt-get',
      /^The base image mine:1 has no apt-get\.$/,
      /Debian or Ubuntu/,
    ],
    [
      'a base that makes no virtual environments',
      'No module named venv\ncaliban: the base image has a python3 that cannot make virtual environments',
      /^The base image mine:1 has a python3 that cannot make virtual environments\.$/,
      /python3-venv/,
    ],
    [
      'a base without pip',
      'caliban: the base image has neither pip nor ensurepip',
      /^The base image mine:1 has neither pip nor ensurepip\.$/,
      /python3-pip/,
    ],
    [
      'a base with another Python',
      'caliban: the base image has Python 3.11.2, not 3.12',
      /^The base image mine:1 has Python 3\.11\.2, not 3\.12\.$/,
      /Ask for the Python it has/,
    ],
    [
      'a base without a shell',
      'runc run failed: unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or directory',
      /runc run failed/,
      /no shell/,
    ],
  ])('%s is told', ([, said, message, hint, retryable = false], { expect }) => {
    for (const around of [OLD, BUILDX]) {
      expect(explainImageBuildLog(around(said.split('\n')), REFERENCE)).toEqual({
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
        retryable,
      });
    }
  });

  test('a failed pull is told', ({ expect }) => {
    const pull = (words: string) =>
      explainImageBuildLog(
        `$ docker pull r/x@sha256:1\nError response from daemon: ${words}\n`,
        REFERENCE,
      );
    expect(pull('pull access denied for r/x')).toMatchObject({
      message: expect.stringContaining('pull access denied for r/x'),
      hint: expect.stringContaining('docker login'),
      retryable: false,
    });
    expect(pull('dial tcp: lookup r: no such host')).toMatchObject({ retryable: true });
    expect(pull('Cannot connect to the Docker daemon at unix:///x')).toMatchObject({
      hint: expect.stringContaining('start it'),
      retryable: true,
    });
    expect(pull('no matching manifest for linux/arm64/v8')).toMatchObject({
      hint: expect.stringContaining('no variant for this machine'),
    });
  });

  test('what an earlier step warned of is not the cause', ({ expect }) => {
    const warned = `#5 0.1 W: Failed to fetch http://deb.example  Temporary failure resolving 'deb.example'\n#5 DONE 1.0s\n`;
    const log = OLD(['error: Failed to build `x==1`', '  cause: \u001b[31mno compiler\u001b[0m']);
    expect(explainImageBuildLog(warned + log, REFERENCE)).toEqual({
      message: 'The dependency image could not be built: Failed to build `x==1`: no compiler',
      hint: expect.stringContaining('build-essential'),
      retryable: false,
    });
  });

  test('an unknown failure shows its last lines, and not too much', ({ expect }) => {
    const { message, hint, retryable } = explainImageBuildLog(OLD(['a', 'b', 'c', 'd']), REFERENCE);
    expect(message).toBe('The dependency image could not be built: b / c / d');
    expect({ hint, retryable }).toEqual({
      hint: 'The build log has the details.',
      retryable: false,
    });
    expect(explainImageBuildLog(OLD(['x'.repeat(9_999)]), REFERENCE).message.length).toBeLessThan(
      700,
    );
    expect(explainImageBuildLog('$ docker build\n', REFERENCE).message).toMatch(/printed nothing/);
  });
});
