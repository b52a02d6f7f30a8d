import { describe } from 'vitest';
import { namingPlatformContract } from '../contract/platform.ts';
import { hasPart } from '../fixtures/require.ts';
import { vertexContainerHarness } from '../fixtures/vertex-platform.ts';

describe.runIf(hasPart('docker'))('Vertex AI with real containers', () => {
  namingPlatformContract('vertex', vertexContainerHarness);
});
