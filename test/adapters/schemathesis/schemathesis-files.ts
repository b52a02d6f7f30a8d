import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { HostileService } from '../hostile/hostile-service.ts';
import type { KnownValues } from './known-values.ts';

const CONFIG = new URL('./schemathesis.toml', import.meta.url);

const parameter = z.looseObject({ in: z.string(), name: z.string() });
const media = z.looseObject({});
const operation = z.looseObject({
  parameters: z.array(parameter).optional(),
  requestBody: z.looseObject({ content: z.record(z.string(), media) }).optional(),
});
const description = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operation)),
});

/**
 * Writes what schemathesis works from: its configuration, and the description as the service gives it, with nothing changed but
 * that the known values are its examples. Some phases take examples or else values of their own making.
 */
export async function writeFiles(
  dir: string,
  service: HostileService,
  known: readonly KnownValues[],
): Promise<{ readonly config: string; readonly description: string }> {
  const config = join(dir, 'schemathesis.toml');
  await writeFile(config, `${await readFile(CONFIG, 'utf8')}\n${tablesOf(known)}`);
  const { text } = await service.request('GET', '/openapi.json');
  const document = description.parse(JSON.parse(text));
  for (const each of known) {
    const operations = document.paths[each.path];
    if (operations === undefined) throw new Error(`${each.path} is not described`);
    for (const found of Object.values(operations)) addExamples(found, each);
  }
  const written = join(dir, 'openapi.json');
  await writeFile(written, JSON.stringify(document));
  return { config, description: written };
}

function addExamples(to: z.infer<typeof operation>, { parameters, body }: KnownValues): void {
  for (const each of to.parameters ?? []) {
    const [example] = parameters[`${each.in}.${each.name}`]?.values ?? [];
    if (example !== undefined) each['example'] = example;
  }
  const json = to.requestBody?.content['application/json'];
  if (json !== undefined && body !== undefined) json['example'] = body;
}

// A text and a list of texts are written as in JSON in TOML too.
function tablesOf(known: readonly KnownValues[]): string {
  return known
    .map(({ path, parameters }) => {
      const named = Object.entries(parameters).map(([name, { values, share }]) => ({
        ...{ name, values, share },
        dictionary: `${path} ${name}`,
      }));
      const bound = named.map(
        ({ name, dictionary, share }) =>
          `${JSON.stringify(name)} = { dictionary = ${JSON.stringify(dictionary)}, probability = ${share} }`,
      );
      return [
        `[[operations]]\ninclude-path = ${JSON.stringify(path)}\nparameters = { ${bound.join(', ')} }`,
        ...named.map(
          ({ dictionary, values }) =>
            `[dictionaries.${JSON.stringify(dictionary)}]\nvalues = ${JSON.stringify(values)}`,
        ),
      ].join('\n\n');
    })
    .join('\n\n');
}
