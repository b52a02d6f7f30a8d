import { readFile } from 'node:fs/promises';
import { AppError } from '../../shared/errors/app-error.ts';
import type { LocalPlatform } from './platform-choice.ts';

/** What environments are made from, unless a project says otherwise. */
export interface BuildSettings {
  /** `{}` in it stands for cpu or gpu; null: a public Python image. */
  readonly baseImage: string | null;
  /** Path of a PEM file with the certificate authorities that builds and jobs trust; null: the image's own. */
  readonly caBundle: string | null;
  /** Package index in place of PyPI; may hold a password, and is never part of an image. */
  readonly indexUrl: string | null;
}

/** What one job in a container may use; null: no limit. */
export interface JobLimits {
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
}

/** Where and how the jobs of a service run. */
export interface JobSetting {
  readonly platform: LocalPlatform;
  /** Jobs at the same time. */
  readonly slots: number;
  readonly limits: JobLimits;
}

/** Refuses a certificate bundle that is no PEM file, before anything is built with it. Throws AppError SERVE_REFUSED. */
export async function checkCaBundle({ caBundle }: BuildSettings): Promise<void> {
  if (caBundle === null) return;
  const bytes = await readFile(caBundle).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw badBundle(`cannot be read: ${reason}`, caBundle, cause);
  });
  if (!bytes.includes('-----BEGIN CERTIFICATE-----'))
    throw badBundle('holds no certificate', caBundle);
}

function badBundle(what: string, path: string, cause?: unknown): AppError {
  return new AppError('SERVE_REFUSED', `The CA bundle ${path} ${what}.`, {
    hint: 'Name a PEM file, such as /etc/ssl/certs/ca-certificates.crt, with --ca_bundle or CALIBAN_CA_BUNDLE.',
    cause,
  });
}
