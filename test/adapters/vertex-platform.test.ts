import { namingPlatformContract } from '../contract/platform.ts';
import { vertexHarness } from '../fixtures/vertex-platform.ts';

namingPlatformContract('vertex', () => vertexHarness());
