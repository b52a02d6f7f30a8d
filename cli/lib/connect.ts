import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import { shellQuote } from '../../shared/text/shell-quote.ts';
import { type Client, createClient } from './client.ts';
import type { Context } from './context.ts';
import { findEndpoint } from './endpoint.ts';
import { jobSettingLine } from './job-setting.ts';
import { localTime } from './local-time.ts';
import { findServe } from './serve-file.ts';
import type { StartedServe } from './start-serve.ts';

/** A client, to be closed when the command is done. */
export interface Connection extends AsyncDisposable {
  readonly client: Client;
  /** Whether a service runs; else only records are read. */
  readonly live: boolean;
}

/**
 * Connects to the service, starting one on this machine when there is none. Throws NO_SERVICE with
 * `--no_start`, and what `startServe` throws.
 */
export async function connectOrStart(ctx: Context): Promise<Connection> {
  const endpoint = await findEndpoint(ctx);
  if (endpoint !== null) return overNetwork(ctx, endpoint);
  if (ctx.options.isSet('no_start')) {
    throw noService(ctx, 'Leave --no_start out to have one started, or run: caliban serve');
  }
  const { startServe } = await import('./start-serve.ts');
  const started = await startServe(ctx.io, ctx.dataDir);
  announceStart(ctx, started);
  return overNetwork(ctx, { url: started.address, token: started.token });
}

/** Connects to the service, or to the records on this machine when none runs. Throws NO_SERVICE when there are none either. */
export async function connectToRead(ctx: Context): Promise<Connection> {
  const endpoint = await findEndpoint(ctx);
  return endpoint === null ? toRecords(ctx) : overNetwork(ctx, endpoint);
}

/**
 * Connects to what `--data_dir` names when it is given, whatever service is saved or set: its running service or its records. Else
 * like {@link connectToRead}. Throws USAGE when there are none in what is named.
 */
export async function connectToNamed(ctx: Context): Promise<Connection> {
  const { options, io, dataDir } = ctx;
  if (!options.isSet('data_dir') || options.isSet('endpoint')) return connectToRead(ctx);
  const serve = await findServe(dataDir, io.signal);
  if (serve === null) return toRecords(ctx, () => noDatabase(dataDir));
  return overNetwork(ctx, { url: serve.address, token: options.text('token') ?? serve.token });
}

async function toRecords(ctx: Context, none = () => nothingYet(ctx)): Promise<Connection> {
  const host = await ctx.io.parts.host();
  const offline = await host.offline(ctx.dataDir);
  if (offline === null) throw none();
  const asOf = offline.statesAsOf === null ? '' : `: states as of ${localTime(offline.statesAsOf)}`;
  ctx.out.note(`no service running${asOf}`);
  const client = createClient({
    url: 'http://offline.invalid',
    token: null,
    fetch: (request) => offline.fetch(request),
    clock: ctx.io.clock,
    signal: ctx.io.signal,
  });
  return { client, live: false, [Symbol.asyncDispose]: () => offline.close() };
}

/** Says that a service was started, how to end it, how it runs jobs, and its token when that is new. */
export function announceStart(ctx: Context, started: StartedServe): void {
  const { address, pid, jobs, note, newToken } = started;
  const custom = ctx.options.isSet('data_dir') ? ` --data_dir ${ctx.dataDir}` : '';
  ctx.out.note(
    `Started a service on this machine (${address}, process ${pid}). Stop it with: caliban serve --stop${custom}`,
  );
  ctx.out.note(jobSettingLine(ctx.dataDir, jobs));
  if (note !== null) ctx.out.note(note);
  if (newToken !== null) noteNewToken(ctx, address, newToken);
}

/** Shows a new token once, as a command to be pasted; without a terminal only its file, because logs are read by many. */
export function noteNewToken(ctx: Context, address: string, token: string): void {
  ctx.out.note(
    ctx.io.stderr.isTTY === true
      ? `Its token is new. Shown only now, for another shell:\n  export CALIBAN_ENDPOINT=${address} CALIBAN_TOKEN=${shellQuote(token)}`
      : `Its token is new: see ${join(ctx.dataDir, 'token')}`,
  );
}

function overNetwork(ctx: Context, at: { url: string; token: string | null }): Connection {
  const { clock, signal } = ctx.io;
  const client = createClient({ ...at, fetch: (request) => fetch(request), clock, signal });
  return { client, live: true, [Symbol.asyncDispose]: async () => {} };
}

function noDatabase(dataDir: string): AppError {
  const found = existsSync(dataDir) ? 'no database (service.db) in' : 'no directory';
  return new AppError('USAGE', `There is ${found} ${dataDir}.`, {
    hint: 'Name the data directory of a service, or a backup of one, with --data_dir.',
  });
}

function nothingYet(ctx: Context): AppError {
  return noService(ctx, 'Submit something with caliban cloud, or start one with: caliban serve');
}

function noService(ctx: Context, hint: string): AppError {
  return new AppError('NO_SERVICE', `No service runs in ${ctx.dataDir} and no endpoint is set.`, {
    hint,
  });
}
