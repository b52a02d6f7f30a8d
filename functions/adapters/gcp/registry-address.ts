import { parseImageReference } from '../../../shared/image/reference.ts';

/** A repository of images, as the OCI distribution API has it. */
export interface RepositoryAddress {
  /** With its port, as in `registry-1.docker.io` or `127.0.0.1:5000`. */
  readonly host: string;
  /** As in `library/python`. */
  readonly name: string;
}

/** An image of a registry. */
export interface ImageAddress extends RepositoryAddress {
  /** A tag or a digest. */
  readonly version: string;
}

// Docker's own hub answers to this name only (https://docs.docker.com/reference/api/registry/latest/, read 2026-11).
const HUB = 'registry-1.docker.io';
const HUB_NAMES: readonly string[] = ['docker.io', 'index.docker.io', HUB];

/** Where an image reference leads, by Docker's rules. Throws AppError BUILD_FAILED for what is none. */
export function imageAddress(reference: string): ImageAddress {
  const { repository, tag, digest } = parseImageReference(reference);
  return { ...repositoryAddress(repository), version: digest ?? tag ?? 'latest' };
}

/** Where a repository is. What comes before its first slash is a host if it looks like one; else it is on Docker's hub. */
export function repositoryAddress(repository: string): RepositoryAddress {
  const slash = repository.indexOf('/');
  const first = slash < 0 ? '' : repository.slice(0, slash);
  const isHost = /[.:A-Z]/.test(first) || first === 'localhost';
  const host = isHost ? first.toLowerCase() : HUB;
  const name = isHost ? repository.slice(slash + 1) : repository;
  if (!HUB_NAMES.includes(host)) return { host, name };
  return { host: HUB, name: name.includes('/') ? name : `library/${name}` };
}

/** Where a registry is asked: a loopback over http, as Docker does; all others over https. */
export function registryUrl(host: string, path: string): URL {
  return new URL(`${isLoopback(host) ? 'http' : 'https'}://${host}/v2/${path}`);
}

/** Whether a host is this machine itself. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/**
 * Whether a registry's host may send this service to an address: over TLS anywhere, without it only from one loopback to another. A
 * registry elsewhere must not have this service ask about on its own machine or without encryption.
 */
export function mayLeadTo(host: string, next: URL): boolean {
  return next.protocol === 'https:' || (isLoopback(host) && isLoopback(next.host));
}

/** Whether a host is a registry of Google, which takes the access tokens of Google accounts. */
export function isGoogleRegistry(host: string): boolean {
  return /^(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)$/.test(host);
}
