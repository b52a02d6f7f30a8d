import * as z from 'zod';

/** What is known of one image. `id`: a digest that tells it from others; `layers` null: it is none that is made of layers. */
export interface ImageFacts {
  readonly id: string;
  readonly tags: readonly string[];
  readonly created: string;
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | null;
  readonly layers: readonly string[] | null;
  readonly settings: ImageSettings;
}

/** What an image says of how to run it, with Docker's names. */
export interface ImageSettings {
  readonly User: string;
  readonly Env: readonly string[];
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Volumes: Readonly<Record<string, object>> | null;
  readonly ExposedPorts: Readonly<Record<string, object>> | null;
  readonly StopSignal: string;
  readonly Shell: readonly string[] | null;
}

/** What stands for the time of an image that says none. */
export const NO_TIME = '1970-01-01T00:00:00Z';

/** A text that may be left out: then empty. */
export const imageTextSchema = z
  .string()
  .nullish()
  .transform((found) => found ?? '');
const names = z
  .record(z.string(), z.object({}))
  .nullish()
  .transform((found) => found ?? null);
/** Settings as engines and image configurations write them. */
export const imageSettingsSchema = z.object({
  User: imageTextSchema,
  Env: z
    .array(z.string())
    .nullish()
    .transform((found) => found ?? []),
  WorkingDir: imageTextSchema,
  Labels: z
    .record(z.string(), z.string())
    .nullish()
    .transform((found) => found ?? {}),
  Volumes: names,
  ExposedPorts: names,
  StopSignal: imageTextSchema,
  Shell: z
    .array(z.string())
    .nullish()
    .transform((found) => found ?? null),
});
