import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import type { Environment } from '../../attempts/job-environment.ts';

/** Which engine is meant, decided once for all that talk to it. */
export interface EngineAddress {
  /** As in DOCKER_HOST, for programs: `unix://` and an absolute path, `tcp://…` or `ssh://…`. */
  readonly host: string;
  /** The same for the client (engine.ts). */
  readonly client: DockerOptions;
}

const SOCKET = /^unix:\/\//;
const SYSTEM_SOCKET = '/var/run/docker.sock';

/**
 * The engine that DOCKER_HOST names, with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH; else Docker Desktop's socket in the user's home, if
 * it is there; else the system's. The rules are those of docker-modem 5.0.7 (lib/modem.js), and of the docker program where that differs:
 * both must reach the same one. Throws AppError DOCKER_UNUSABLE.
 */
export async function engineAddress(environment: Environment): Promise<EngineAddress> {
  const named = environment['DOCKER_HOST'] ?? '';
  if (named !== '' && !SOCKET.test(named)) return remoteAddress(named, environment);
  const path = named.replace(SOCKET, '');
  const socketPath = path === '' ? await usualSocket(environment) : resolve(path);
  // The client reads DOCKER_HOST too; without `host` it would prefer what that names.
  return { host: `unix://${socketPath}`, client: { host: '', socketPath } };
}

async function usualSocket(environment: Environment): Promise<string> {
  const desktop = join(environment['HOME'] || homedir(), '.docker', 'run', 'docker.sock');
  const isThere = await access(desktop).then(
    () => true,
    () => false,
  );
  return isThere ? desktop : SYSTEM_SOCKET;
}

async function remoteAddress(named: string, environment: Environment): Promise<EngineAddress> {
  // The docker program knows no http://.
  const host = named.includes('//') ? named.replace(/^https?:/, 'tcp:') : `tcp://${named}`;
  const url = URL.parse(host);
  if (url === null || url.hostname === '') throw noAddress();
  const { hostname, port, username } = url;
  if (url.protocol === 'ssh:') {
    const agent = environment['SSH_AUTH_SOCK'];
    const sshOptions = agent === undefined ? {} : { agent };
    return { host, client: { protocol: 'ssh', host: hostname, port, username, sshOptions } };
  }
  if (url.protocol !== 'tcp:') throw noAddress();
  const isVerified = (environment['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const protocol = isVerified || named.startsWith('https:') || port === '2376' ? 'https' : 'http';
  const usualPort = protocol === 'https' ? '2376' : '2375';
  const client = { protocol, host: hostname, port: port || usualPort } as const;
  return { host, client: { ...client, ...(await certificates(environment)) } };
}

async function certificates(
  environment: Environment,
): Promise<Pick<DockerOptions, 'ca' | 'cert' | 'key'>> {
  const dir = environment['DOCKER_CERT_PATH'] ?? '';
  if (dir === '') return {};
  try {
    return {
      ca: await readFile(join(dir, 'ca.pem')),
      cert: await readFile(join(dir, 'cert.pem')),
      key: await readFile(join(dir, 'key.pem')),
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(
      'DOCKER_UNUSABLE',
      `The certificates in DOCKER_CERT_PATH cannot be read: ${reason}.`,
      { hint: 'Let it name a directory with ca.pem, cert.pem and key.pem.', cause },
    );
  }
}

// Without its text, which may hold a password.
function noAddress(): AppError {
  return new AppError(
    'DOCKER_UNUSABLE',
    'DOCKER_HOST is no address of a Docker engine: unix://PATH, tcp://HOST:PORT or ssh://USER@HOST.',
    { hint: 'Set it to one of these, or unset it to use the engine of this machine.' },
  );
}
