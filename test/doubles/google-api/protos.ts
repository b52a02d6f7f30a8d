import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { type AnyDefinition, loadSync, type PackageDefinition } from '@grpc/proto-loader';

/** A `google.protobuf.Any` as it goes over the wire. */
export interface WireAny {
  readonly type_url: string;
  readonly value: Buffer;
}

const INCLUDE_DIRS = [
  'google-gax',
  '@google-cloud/aiplatform',
  '@google-cloud/cloudbuild',
  '@google-cloud/logging-api',
  '@google-cloud/pubsub-api',
].map((name) =>
  fileURLToPath(new URL(`../../../node_modules/${name}/build/protos`, import.meta.url)),
);

const loaded = new Map<string, PackageDefinition>();

/** The messages and services of a published .proto file, as in `google/rpc/status.proto`. Longs and enums are strings. */
export function loadProtos(file: string): PackageDefinition {
  const known = loaded.get(file);
  if (known !== undefined) return known;
  const options = { longs: String, enums: String, defaults: true, oneofs: true };
  const protos = loadSync(file, { ...options, includeDirs: INCLUDE_DIRS });
  loaded.set(file, protos);
  return protos;
}

/** A service of a .proto file, as in `google.longrunning.Operations`. */
export function loadService(file: string, name: string): ServiceDefinition {
  const definition = loadProtos(file)[name];
  if (definition === undefined || 'format' in definition) throw new Error(`${name} is no service`);
  return definition;
}

/** Bytes of a message of a file loaded before, or of google.rpc. */
export function encodeMessage(name: string, value: object): Buffer {
  loadProtos('google/rpc/error_details.proto');
  loadProtos('google/rpc/status.proto');
  const definition = [...loaded.values()].map((protos) => protos[name]).find(Boolean);
  if (definition === undefined || !isMessage(definition)) throw new Error(`${name} is no message`);
  return definition.serialize(value);
}

/** An Any of a message, as in the response of a long-running operation. */
export function encodeAny(name: string, value: object): WireAny {
  return { type_url: `type.googleapis.com/${name}`, value: encodeMessage(name, value) };
}

type MessageDefinition = AnyDefinition & { serialize(value: object): Buffer };

function isMessage(definition: AnyDefinition): definition is MessageDefinition {
  return 'serialize' in definition;
}
