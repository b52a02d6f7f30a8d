import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { orAbsent, placeDurably } from '../../durable-file.ts';

const recordSchema = z.object({
  id: z.string(),
  stage: z.enum(['made', 'start-sent', 'given-up']),
  at: z.number(),
});

/**
 * Which container was made for an attempt, and how far it got. `made`: it was never asked to start. `start-sent`: it was, at `at`
 * (ms). `given-up`: it never ran and is being removed; another one may follow.
 */
export type ContainerRecord = Readonly<z.infer<typeof recordSchema>>;

const FILE = 'container.json';

/** The record in an attempt's directory, or null when no container was recorded. */
export async function readRecord(directory: string): Promise<ContainerRecord | null> {
  const text = await orAbsent(readFile(join(directory, FILE), 'utf8'));
  return text === null ? null : recordSchema.parse(JSON.parse(text));
}

/** Replaces the record; it survives the machine's sudden end. */
export function writeRecord(directory: string, record: ContainerRecord): Promise<void> {
  return placeDurably(directory, FILE, JSON.stringify(record));
}
