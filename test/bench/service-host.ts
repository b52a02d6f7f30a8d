import { once } from 'node:events';
import { serveOptions } from '../doubles/serve-options.ts';
import { watchLoopDelay } from './loop-delay.ts';

// The service of a bench as it is built, in a process of its own: `service-host.ts DATA_DIR SLOTS TOKEN`; without words, a process
// that does nothing, whose stalls are the machine's. Tells its parent how it is when asked, and ends when the parent goes.
const BUILT = new URL('../../dist/functions/embedded.js', import.meta.url).href;
const [dataDir, slots, token] = process.argv.slice(2);
const ending = new AbortController();
const delay = watchLoopDelay();
process.once('disconnect', () => ending.abort());
const { runServe }: typeof import('../../functions/embedded.ts') = await import(BUILT);
const serve =
  dataDir === undefined
    ? null
    : await runServe(
        serveOptions({
          dataDir,
          slots: Number(slots),
          token: token ?? null,
          signal: ending.signal,
        }),
      );
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({
    stalls: delay.take(),
    cpuMs: (user + system) / 1_000,
    rss,
    heapUsed,
    external,
    maxRss: process.resourceUsage().maxRSS * 1_024,
  });
});
process.send?.({ address: serve?.address ?? '' });
await (serve?.closed ?? once(process, 'disconnect'));
