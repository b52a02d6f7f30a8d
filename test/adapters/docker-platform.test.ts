import { describe } from 'vitest';
import { platformContract } from '../contract/platform.ts';
import { dockerHarness } from '../fixtures/docker-platform.ts';
import { hasPart } from '../fixtures/require.ts';

describe.runIf(hasPart('docker'))('on a local engine', () => {
  platformContract('docker', dockerHarness);
});
