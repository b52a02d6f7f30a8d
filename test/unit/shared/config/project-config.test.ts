import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { baseImageFor } from '../../../../shared/config/base-image.ts';
import { parseProjectConfig } from '../../../../shared/config/project-config.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';

interface Case {
  name: string;
  input: { config_text: string | null };
  expected?: Record<'cpu' | 'gpu', Record<'base_image' | 'apt_packages', { value?: unknown }>>;
  error?: { exit_code: number };
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/config.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

// The original's own default images are gone; a project without one takes the service's.
const ORIGINAL_DEFAULT = /^gcr\.io\/blueshift-playground\//;

// The recorded packages have names of one letter; Debian has none of those, and we refuse them.
function longNames(content: string): string {
  return content.replaceAll(/"([abc])"/g, '"$1$1"');
}

describe('a project file follows the recorded behaviour', () => {
  test.for(cases)('$name', ({ input, expected, error }, { expect }) => {
    for (const mode of ['cpu', 'gpu'] as const) {
      const parse = () => parseProjectConfig(longNames(input.config_text ?? '{}'), mode);
      if (error !== undefined) {
        expect(parse).toThrow(expect.objectContaining({ exit: 2 }));
        continue;
      }
      const recorded = expected?.[mode];
      const base = recorded?.base_image.value ?? null;
      const isDefault = typeof base !== 'string' || ORIGINAL_DEFAULT.test(base);
      expect(parse()).toMatchObject({
        baseImage: isDefault ? null : base,
        aptPackages: JSON.parse(longNames(JSON.stringify(recorded?.apt_packages.value))),
      });
    }
  });
});

describe('what is wrong with a project file is told with its place and the fix', () => {
  test.for([
    ['{\n  "apt_package": ["git"]\n}', 'line 2, column 3: apt_package is no key', 'apt_packages?'],
    [
      '{"apt_packages": ["git", 7]}',
      'column 26: apt_packages.1 must be text, not 7.',
      'in quotes: [',
    ],
    [
      '{"apt_packages": 5}',
      '"cpu" and "gpu", not 5.',
      'example: "apt_packages": ["git", "ffmpeg"]',
    ],
    [
      '{"apt_packages": "git"}',
      'apt_packages must be a list of package names, or an object',
      '["git"]',
    ],
    [
      '{"apt_packages": "git, gcc"}',
      '"gpu", not "git, gcc".',
      'Write: "apt_packages": ["git", "gcc"]',
    ],
    [
      '{"apt_packages": {"cpu": "git"}}',
      'apt_packages.cpu must be a list',
      'Write: "cpu": ["git"]',
    ],
    [
      '{"apt_packages": [\n  "git; rm -rf /"\n]}',
      'line 2, column 3: apt_packages.0 must be the name of an apt package, not "git; rm -rf /".',
      'NAME=VERSION',
    ],
    [
      '{"base_image": "Bad Img"}',
      'line 1, column 2: base_image must be the name of an image, not "Bad Img".',
      'NAME:TAG',
    ],
    [
      '{"base_image": {"gpu": "img-{mode}"}}',
      'column 17: base_image.gpu must be the name of an image, not "img-{mode}".',
      'Write {} once',
    ],
    ['{"apt_packages": {"tpu": []}}', 'column 19: apt_packages.tpu is no key', 'keys cpu and gpu'],
    [
      '{"base_image": null}',
      'base_image must be the name of an image',
      'For example: "base_image": "',
    ],
    ['{"base_image": ["x"]}', 'column 2: base_image must be the name', 'Write: "base_image": "x"'],
    ['{"base_image": {"cpu": 5}}', 'base_image.cpu must be text, not 5.', 'Write: "cpu": "5"'],
    [
      '{"base_image": ""}',
      'base_image must not be empty, not "".',
      'example: "base_image": "python:',
    ],
    [
      '{\n  "python_version": 3.11}',
      '.calibanconfig.json, line 2, column 3: python_version must be text, not 3.11.',
      'Write: "python_version": "3.11"',
    ],
    ['{"python_version": 3.10}', 'not 3.10.', 'Write: "python_version": "3.10"'],
    ['{"python_version": ["3.9"]}', 'must be text, not ["3.9"].', 'Write: "python_version": "3.9"'],
    ['{"python_version": ">=3.9"}', 'must be a version', 'Write: "python_version": "3.9"'],
    ['{"python_version": 3}', 'must be text, not 3.', 'For example: "python_version": "3.12"'],
    [
      '{"python_version": "latest"}',
      'as in "3.12", not "latest".',
      'example: "python_version": "3',
    ],
    [
      '{"build_time_credentials": "True"}',
      'or false, not "True".',
      '"build_time_credentials": true',
    ],
    [
      '{"default_mode": "tpu"}',
      'must be "cpu" or "gpu", not "tpu".',
      'example: "default_mode": "cpu"',
    ],
    ['[]', 'column 1: the whole must be an object', 'keys'],
    [
      '{"mlflow_config": {"project": "p"}}',
      'mlflow_config.region must be text, and is missing',
      '"region"',
    ],
  ] as const)('%s', ([text, message, hint], { expect }) => {
    const error = thrown(() => parseProjectConfig(text, 'cpu'));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test('a password is not repeated', ({ expect }) => {
    const error = thrown(() => parseProjectConfig('{"mlflow_config": {"password": 9753}}', 'cpu'));
    expect(error.message).toContain('mlflow_config.password must be text');
    expect(`${error.message}${error.hint}`).not.toContain('9753');
  });

  test('several problems have a fix each', ({ expect }) => {
    const error = thrown(() =>
      parseProjectConfig('{"base_image": ["x"], "python_version": 3.12}', 'gpu'),
    );
    expect(error.hint).toBe('Write: "base_image": "x"\nWrite: "python_version": "3.12"');
  });

  test('a syntax error names the file, line and column', ({ expect }) => {
    const error = thrown(() => parseProjectConfig('{\n"apt_packages": [],\n}', 'cpu'));
    expect(error.code).toBe('CONFIG_SYNTAX');
    expect(error.message).toContain('.calibanconfig.json, line 2, column 19');
  });
});

test('what is read and not acted on is told', ({ expect }) => {
  const config = parseProjectConfig('{"gcloud": {"project_id": "p"}, "apt_packages": []}', 'gpu');
  expect(config.unused).toEqual(['gcloud']);
});

test('a Python version is kept as text', ({ expect }) => {
  const config = parseProjectConfig('{"python_version": "3.10"}', 'gpu');
  expect(config.pythonVersion).toBe('3.10');
});

describe('braces in a base image', () => {
  test.for([
    ['img:{}', 'img:cpu'],
    ['img:{0}', 'img:cpu'],
    ['img:{{x}}', 'img:{x}'],
    ['dlvm:tf2-{}-2.1', 'gcr.io/deeplearning-platform-release/tf2-cpu.2-1'],
    ['dlvm:tf2-gpu', 'gcr.io/deeplearning-platform-release/tf2-gpu'],
  ] as const)('%s is %s', ([text, meant], { expect }) => {
    expect(baseImageFor('cpu', text, 'base_image')).toBe(meant);
  });

  test.for(['{}{}', '{mode}', '{', '}', '{1}'])('%s is refused', (text, { expect }) => {
    const error = thrown(() => baseImageFor('cpu', text, 'base_image'));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(JSON.stringify(text));
  });
});

function thrown(act: () => unknown): AppError {
  try {
    act();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}
