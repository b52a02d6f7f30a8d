import type Docker from 'dockerode';
import type { EngineAddress } from './engine-address.ts';

/** The client of a Docker engine. */
export type Engine = Docker;

/**
 * A client of the engine at an address (default: what the library finds, by nearly the same rules); nothing is asked of it yet. The
 * library is loaded by the first call: it takes 100 ms, and most commands need no Docker.
 */
export async function connectEngine(address?: EngineAddress): Promise<Engine> {
  const { default: Client } = await import('dockerode');
  return new Client(address?.client);
}
