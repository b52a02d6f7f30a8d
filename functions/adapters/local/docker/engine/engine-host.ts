import type { Environment } from '../../attempts/job-environment.ts';
import type { Engine } from './engine.ts';

/** The address of an engine as in DOCKER_HOST, so that programs talk to the same one whatever their context is. */
export async function engineHost(engine: Engine, environment: Environment): Promise<string> {
  const socket: unknown = Reflect.get(engine.modem, 'socketPath');
  // The client looks for its default socket anew at each call.
  const path: unknown = typeof socket === 'function' ? await socket() : socket;
  const remote = environment['DOCKER_HOST'];
  return path === undefined && remote !== undefined ? remote : `unix://${String(path)}`;
}
