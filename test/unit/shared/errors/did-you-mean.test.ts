import fc from 'fast-check';
import { describe, test } from 'vitest';
import { didYouMean } from '../../../../shared/errors/did-you-mean.ts';

const OPTIONS = ['experiment_config', 'xgroup', 'gpu_spec', 'nogpu', 'dry_run'];

describe('didYouMean', () => {
  test('finds the word that was meant', ({ expect }) => {
    expect(didYouMean('experiment_confg', OPTIONS)).toBe('experiment_config');
    expect(didYouMean('xgruop', OPTIONS)).toBe('xgroup');
    expect(didYouMean('dryrun', OPTIONS)).toBe('dry_run');
    expect(didYouMean('xgrp', OPTIONS)).toBe('xgroup');
  });

  test('does not mind case', ({ expect }) => {
    expect(didYouMean('GPU_SPEC', OPTIONS)).toBe('gpu_spec');
  });

  test('says nothing when nothing is near', ({ expect }) => {
    expect(didYouMean('banana', OPTIONS)).toBeUndefined();
    expect(didYouMean('anything', [])).toBeUndefined();
  });

  test('a word of three letters may have one wrong, not two', ({ expect }) => {
    expect(didYouMean('gpx', ['gpu'])).toBe('gpu');
    expect(didYouMean('gxx', ['gpu'])).toBeUndefined();
  });

  test('a word that is there is its own answer', ({ expect }) => {
    const words = fc.uniqueArray(fc.stringMatching(/^[a-z_]{1,12}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.nat(), (candidates, at) => {
        const word = candidates[at % candidates.length] ?? '';
        expect(didYouMean(word, candidates)).toBe(word);
      }),
    );
  });

  test('one letter dropped from a longer word is always found again', ({ expect }) => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{4,20}$/), fc.nat(), (word, at) => {
        const cut = at % word.length;
        expect(didYouMean(word.slice(0, cut) + word.slice(cut + 1), [word])).toBe(word);
      }),
    );
  });
});
