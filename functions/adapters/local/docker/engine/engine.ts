import type Docker from 'dockerode';

/** The client of a Docker engine. */
export type Engine = Docker;

/**
 * The engine that `DOCKER_HOST` names, else the one on the usual socket; nothing is asked of it yet. The library is loaded by the
 * first call: it takes 100 ms, and most commands need no Docker.
 */
export async function connectEngine(): Promise<Engine> {
  const { default: Client } = await import('dockerode');
  return new Client();
}
