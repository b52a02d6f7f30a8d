import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { openAttemptFiles, refOf } from '../../functions/adapters/local/attempts/attempt-files.ts';
import { aSpec } from '../../functions/adapters/local/attempts/attempt-record.ts';
import { placeDurably, syncFile } from '../../functions/adapters/local/durable-file.ts';
import { openDiskLayerStore } from '../../functions/adapters/local/layers/disk-layer-store.ts';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { backupDataDir } from '../../functions/embedded/backup.ts';
import { put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { aPlatformJob } from '../doubles/a-platform-job.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { systemClock } from '../fixtures/system-clock.ts';

// A process of its own, to be traced: `durability-child.ts TASK DIRECTORY`. Each task makes ready what it needs and gives what is to
// be durable once it resolves; the marks before and after are calls that fail, and that a trace shows.

type Steps = Readonly<Record<string, () => Promise<unknown>>>;

const [task = '', dir = ''] = process.argv.slice(2);

const signal = new AbortController().signal;

async function openStore() {
  const store = await openSqliteStore({ path: join(dir, 'service.db'), clock: systemClock });
  const commit = (id: string) =>
    store.commit([put({ collection: 'jobs', id }, aDocument('jobs'), 'absent')]);
  await commit('first');
  return { store, commit };
}

const TASKS: Readonly<Record<string, () => Promise<Steps>>> = {
  async commit() {
    const { commit } = await openStore();
    return { commit: () => commit('second') };
  },
  async attempt() {
    const files = await openAttemptFiles(dir);
    const spec = aSpec(aPlatformJob(), 1, 0);
    return {
      create: () => files.create(spec, () => true),
      stop: () => files.requestStop(refOf(spec.job)),
    };
  },
  async layer() {
    const layer = aLayer(aTar(aFile('usr/app/train.py')));
    const { diffId, blobSize: total } = layer.declaration;
    const limits = { maxBlobBytes: total, maxUncompressedBytes: 1e6, maxEntries: 10 };
    const range = { bytes: { first: 0, last: total - 1 }, total };
    const store = await openDiskLayerStore({ dir, limits, clock: systemClock });
    return {
      begin: () => store.begin(layer.declaration),
      receive: () => store.receive(diffId, range, Readable.from([layer.blob])),
      complete: () => store.complete(diffId),
    };
  },
  async file() {
    return {
      place: () => placeDurably(dir, 'record', 'text'),
      sync: () => syncFile(join(dir, 'record')),
    };
  },
  async backup() {
    const { store } = await openStore();
    const request = { dataDir: dir, target: join(dir, '..', 'backup'), signal };
    return {
      backup: async () => {
        await backupDataDir(request);
        store.close();
      },
    };
  },
};

function mark(text: string): void {
  try {
    rmdirSync(join('/mark', text));
  } catch {
    // There is no such directory.
  }
}

mkdirSync(dir, { recursive: true });
const steps = (await TASKS[task]?.()) ?? {};
for (const [name, step] of Object.entries(steps)) {
  mark(`begin-${name}`);
  await step();
  mark(`done-${name}`);
}
process.exit();
