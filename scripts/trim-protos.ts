import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Plugin } from 'esbuild';

/** A namespace, message, enum or service of a protos.json, as protobufjs writes them. */
interface Node {
  readonly fields?: Readonly<Record<string, { readonly type: string; readonly keyType?: string }>>;
  readonly methods?: Readonly<
    Record<string, { readonly requestType: string; readonly responseType: string }>
  >;
  readonly nested?: Readonly<Record<string, Node>>;
  readonly options?: unknown;
}

const CLIENT = '@google-cloud/aiplatform/build/src/v1/job_service_client';
const SERVICE = 'google.cloud.aiplatform.v1.JobService';
// What the generated clients look up without naming it.
const ALWAYS = /^google\.(?:api|protobuf|rpc|longrunning|type|iam)$/;

/**
 * Keeps of Vertex AI's definitions (1.5 MB) what its JobService needs: a client spends most of a second on reading all of them, at each
 * cold start.
 */
export const trimProtos: Plugin = {
  name: 'trim-protos',
  setup(build) {
    build.onLoad(
      { filter: /aiplatform[\\/]build[\\/]protos[\\/]protos\.json$/ },
      async ({ path }) => {
        const client = createRequire(import.meta.url).resolve(CLIENT);
        const source = await readFile(client, 'utf8');
        const looked = [...source.matchAll(/lookup\('\.(google\.cloud[^']*)'\)/g)];
        const roots = [SERVICE, ...looked.map(([, name = '']) => name)];
        const whole: Node = JSON.parse(await readFile(path, 'utf8'));
        return { loader: 'json', contents: JSON.stringify(trimmed(whole, roots)) };
      },
    );
  },
};

/** The tree with these messages and services, all they refer to, and nothing else of weight. */
function trimmed(root: Node, roots: readonly string[]): Node {
  return pruned(root, [], reachable(root, roots));
}

function at(root: Node, path: readonly string[]): Node | undefined {
  return path.reduce<Node | undefined>((found, name) => found?.nested?.[name], root);
}

function reachable(root: Node, roots: readonly string[]): ReadonlySet<string> {
  const kept = new Set<string>();
  const open = roots.map((name) => name.split('.'));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const id = path.join('.');
    const found = at(root, path);
    if (found === undefined || kept.has(id)) continue;
    kept.add(id);
    for (const type of typesOf(found)) {
      const named = resolved(root, path, type);
      if (named !== undefined) open.push(named);
    }
    open.push(...Object.keys(found.nested ?? {}).map((name) => [...path, name]));
  }
  return kept;
}

function typesOf({ fields, methods }: Node): readonly string[] {
  const ofFields = Object.values(fields ?? {}).flatMap(({ type, keyType = type }) => [
    type,
    keyType,
  ]);
  const ofMethods = Object.values(methods ?? {}).flatMap((each) => [
    each.requestType,
    each.responseType,
  ]);
  return [...ofFields, ...ofMethods];
}

// A name is looked for from the innermost scope outwards.
function resolved(root: Node, scope: readonly string[], type: string): string[] | undefined {
  for (let depth = scope.length; depth >= 0; depth--) {
    const path = [...scope.slice(0, depth), ...type.split('.')];
    if (at(root, path) !== undefined) return path;
  }
  return undefined;
}

function pruned(root: Node, path: readonly string[], kept: ReadonlySet<string>): Node {
  const nested: Record<string, Node> = {};
  for (const [name, child] of Object.entries(root.nested ?? {})) {
    const id = [...path, name].join('.');
    if (kept.has(id) || ALWAYS.test(id)) nested[name] = child;
    else if (child.methods !== undefined) nested[name] = { methods: {}, options: child.options };
    else if (child.nested !== undefined && child.fields === undefined) {
      nested[name] = pruned(child, [...path, name], kept);
    }
  }
  return { ...root, nested };
}
