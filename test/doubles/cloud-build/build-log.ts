import type { Clock } from '../../../functions/ports/runtime.ts';
import type { Build } from './build-record.ts';

/** Writes an object of Cloud Storage, over an earlier one of that name. */
export type PutObject = (bucket: string, name: string, bytes: Uint8Array) => Promise<unknown>;

export interface BuildLog {
  /** One line of the build itself. */
  line(text: string): void;
  /** Where a step's output goes: complete lines come with the step's name in front. `null`: with nothing. */
  writer(label: string | null): LineWriter;
  /** The first write; throws what the bucket throws. */
  open(): Promise<void>;
  /** The last write; throws what the bucket throws. */
  close(): Promise<void>;
  text(): string;
}

export interface LineWriter {
  write(bytes: Uint8Array): void;
  /** Writes the last line, when it has no end. */
  end(): void;
}

const STREAM_EVERY_MS = 500;
const WITHOUT_OBJECT = ['CLOUD_LOGGING_ONLY', 'STACKDRIVER_ONLY', 'NONE'];

/** The log of one build: in memory, and in its bucket when its options say so, while it runs with STREAM_ON. */
export function createBuildLog(build: Build, clock: Clock, putObject: PutObject): BuildLog {
  const { bucket, name } = logObject(build);
  const kept = !WITHOUT_OBJECT.includes(build.options?.logging ?? '');
  const streams = build.options?.logStreamingOption === 'STREAM_ON';
  const ended = new AbortController();
  let text = '';
  let written = -1;
  let streaming: Promise<void> = Promise.resolve();

  async function put(): Promise<void> {
    if (!kept || written === text.length) return;
    const now = text;
    await putObject(bucket, name, new TextEncoder().encode(now));
    written = now.length;
  }

  async function stream(): Promise<void> {
    while (!ended.signal.aborted) {
      await clock.sleep(STREAM_EVERY_MS, ended.signal).catch(() => {});
      // A failed write is made good by the next; the last one tells.
      if (!ended.signal.aborted) await put().catch(() => {});
    }
  }

  const line = (added: string) => {
    text += `${added}\n`;
  };
  return {
    line,
    writer: (label) => lineWriter((added) => line(label === null ? added : `${label}: ${added}`)),
    async open() {
      if (!streams || !kept) return;
      await put();
      streaming = stream();
    },
    async close() {
      ended.abort();
      await streaming;
      await put();
    },
    text: () => text,
  };
}

/** Bucket and name of a build's log: `log-BUILDID.txt`, below the path that `logsBucket` may have. */
export function logObject({ id, logsBucket }: Build): { bucket: string; name: string } {
  const [bucket = '', ...path] = logsBucket.replace(/^gs:\/\//, '').split('/');
  return { bucket, name: [...path.filter(Boolean), `log-${id}.txt`].join('/') };
}

function lineWriter(line: (text: string) => void): LineWriter {
  const decoder = new TextDecoder();
  let rest = '';
  return {
    write(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) line(text.replace(/\r$/, ''));
    },
    end() {
      rest += decoder.decode();
      if (rest !== '') line(rest);
      rest = '';
    },
  };
}
