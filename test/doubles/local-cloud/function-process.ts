import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

/** A function of the deployment. */
export type FunctionName = 'api' | 'worker' | 'builds' | 'tick';

/** A function that answers. */
export interface FunctionProcess {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Resolves when it ends though nobody has closed it; else never. */
  readonly lost: Promise<LostFunction>;
  close(): Promise<void>;
}

/** A function that has ended by itself. */
export interface LostFunction {
  readonly name: FunctionName;
  /** The file of its log. */
  readonly log: string;
}

/** What a function is started with. */
export interface FunctionOptions {
  readonly name: FunctionName;
  /** The folder that `npm run build` makes. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Its log goes to `NAME.log` here. */
  readonly logs: string;
}

const MAIN = fileURLToPath(new URL('function-main.ts', import.meta.url));
const listening = z.object({ port: z.number() });

/** Starts one function of the deployable folder. */
export async function startFunction(options: FunctionOptions): Promise<FunctionProcess> {
  const { name, folder, environment, logs } = options;
  const child = spawn(process.execPath, [MAIN, folder, name], {
    env: { ...process.env, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const log = createWriteStream(join(logs, `${name}.log`), { flags: 'a' });
  child.stderr.pipe(log, { end: false });
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), ended.then(() => undefined)]);
  if (first === undefined) throw new Error(`The function ${name} ended; see ${log.path}.`);
  lines.on('line', (line) => log.write(`${line}\n`));
  const { port } = listening.parse(JSON.parse(String(first[0])));
  const lost = Promise.withResolvers<LostFunction>();
  const onLost = () => lost.resolve({ name, log: String(log.path) });
  child.once('close', onLost);
  return {
    url: `http://127.0.0.1:${port}`,
    lost: lost.promise,
    async close() {
      child.off('close', onLost);
      child.kill();
      await ended;
      log.end();
    },
  };
}
