import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { orAbsent, placeDurably } from '../../durable-file.ts';

const recordSchema = z.object({
  /** The container's id, or its name. */
  id: z.string(),
  stage: z.enum(['made', 'start-sent', 'ran', 'given-up']),
  at: z.number(),
  /** Counts the containers of the attempt. */
  make: z.number().default(1),
});

/**
 * Which container was made for an attempt, and how far it got. `made`: it was never asked to start. `start-sent`: it was, at `at`
 * (ms). `ran`: it was seen to run. `given-up`: it never ran and is being removed; another one may follow.
 */
export type ContainerRecord = Readonly<z.infer<typeof recordSchema>>;

const FILE = 'container.json';

/** The record in an attempt's directory, or null when no container was recorded. Throws an error that names the file for a damaged one. */
export async function readRecord(directory: string): Promise<ContainerRecord | null> {
  const path = join(directory, FILE);
  const text = await orAbsent(readFile(path, 'utf8'));
  if (text === null) return null;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${path} is damaged`, { cause });
  }
}

/** Stands for a record that is damaged: the container of this name, if there is one, may have been started long ago. */
export function recordOf(name: string): ContainerRecord {
  return { id: name, stage: 'start-sent', at: 0, make: 1 };
}

/** Replaces the record; it survives the machine's sudden end. */
export function writeRecord(directory: string, record: ContainerRecord): Promise<void> {
  return placeDurably(directory, FILE, JSON.stringify(record));
}
