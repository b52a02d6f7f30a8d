import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import {
  type DependencyImage,
  dependencyDockerfile,
} from '../../../../shared/image/dependency-dockerfile.ts';

const PLAIN: DependencyImage = {
  base: `python@sha256:${'0'.repeat(64)}`,
  apt: [],
  python: null,
  requirements: null,
  hasExtraIndex: false,
  hasCaBundle: false,
  index: null,
};

// Read them when they change: they are what runs.
const GOLDENS: Readonly<Record<string, DependencyImage>> = {
  plain: PLAIN,
  requirements: { ...PLAIN, requirements: 'requirements.txt' },
  everything: {
    base: `caliban/base:${'a'.repeat(64)}`,
    apt: ['libgl1', 'g++', 'git=1:2.39'],
    python: '3.12',
    requirements: "my project/it's.txt",
    hasExtraIndex: true,
    hasCaBundle: true,
    index: '0123456789abcdef',
  },
};

describe('dependencyDockerfile', () => {
  test.for(Object.entries(GOLDENS))('%s', ([name, image], { expect }) => {
    const file = new URL(`../../../fixtures/dockerfiles/${name}.Dockerfile`, import.meta.url);
    expect(dependencyDockerfile(image)).toBe(readFileSync(file, 'utf8'));
  });

  test('the order of apt packages makes no other text, everything else does', ({ expect }) => {
    const all = GOLDENS['everything'] ?? PLAIN;
    const text = dependencyDockerfile(all);
    expect(dependencyDockerfile({ ...all, apt: all.apt.toReversed() })).toBe(text);
    const changes: Partial<DependencyImage>[] = [
      { base: PLAIN.base },
      { apt: ['git'] },
      { python: '3.11' },
      { requirements: 'other.txt' },
      { hasExtraIndex: false },
      { hasCaBundle: false },
      { index: null },
      { index: 'other' },
    ];
    const texts = changes.map((change) => dependencyDockerfile({ ...all, ...change }));
    expect(new Set([text, ...texts]).size).toBe(changes.length + 1);
  });

  test('the step that runs code of packages can write to no installer of another build', ({
    expect,
  }) => {
    const text = dependencyDockerfile(GOLDENS['everything'] ?? PLAIN);
    const runs = text.split(/^(?=RUN|FROM)/m);
    const cached = runs.filter((run) => run.includes('type=cache'));
    expect(cached).toHaveLength(1);
    expect(cached[0]).toContain('/bin/uv pip install');
    expect(cached[0]).toMatch(/--mount=type=bind,from=installer,[^ ]* /);
    expect(cached[0]).not.toMatch(/type=bind[^ ]*,(?:rw|readwrite)/);
    expect(cached[0]).not.toContain('-m pip install');
  });

  test('apt comes before requirements: a changed file does not repeat it', ({ expect }) => {
    const text = dependencyDockerfile(GOLDENS['everything'] ?? PLAIN);
    const [apt, python, packages] = ['apt-get', 'python3 -m venv', 'uv pip install'].map((step) =>
      text.indexOf(step),
    );
    expect([apt, python, packages]).toEqual(
      [apt, python, packages].toSorted((a = 0, b = 0) => a - b),
    );
    expect(apt).toBeGreaterThan(0);
    expect(text.slice(0, python)).not.toContain('requirements');
  });

  test('no input becomes an instruction or a command', ({ expect }) => {
    const hostile = ['a\nRUN true', 'a\rb', 'a\u2028b', 'a\u0000b'];
    for (const text of hostile) {
      for (const field of ['requirements', 'index', 'python'] as const) {
        const image = { ...PLAIN, requirements: 'r.txt', [field]: text };
        expect(() => dependencyDockerfile(image), `${field} ${text}`).toThrow(/control characters/);
      }
      expect(() => dependencyDockerfile({ ...PLAIN, base: text })).toThrow(/no image reference/);
      expect(() => dependencyDockerfile({ ...PLAIN, apt: [text] })).toThrow(/apt package/);
    }
    const words = [
      "it's",
      '$(true)',
      '`true`',
      '-rf /',
      'a;true',
      'a|true',
      '"',
      '\\',
      '$HOME',
      ' #',
    ];
    for (const word of words) {
      const quoted = `'${word.replaceAll("'", "'\\''")}'`;
      const checked = dependencyDockerfile({ ...PLAIN, python: word });
      expect(checked).toContain(`case "$has" in ${quoted}|${quoted}.*)`);
      expect(checked).toContain(`"$has" ${quoted}; exit 1`);
      const indexed = dependencyDockerfile({ ...PLAIN, requirements: 'r.txt', index: word });
      expect(indexed).toContain(`: index ${quoted}; \\\n`);
      const path = dependencyDockerfile({ ...PLAIN, requirements: word });
      expect(path).toContain(` -r '/opt/caliban/requirements/${quoted.slice(1)}\n`);
    }
  });
});
