import { platformContract } from '../contract/platform.ts';
import { processHarness } from '../fixtures/process-platform.ts';

platformContract('process', () => processHarness({ slots: 3 }));
