import { HEADER_COMPONENTS } from './answers.ts';
import type { Api } from './api-host.ts';

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = ReturnType<Api['getOpenAPI31Document']>;

const DESCRIPTION = [
  'Runs experiments: send code as layers, submit an experiment config, follow its jobs.',
  'Every request below /v1 carries a bearer token. Every error has one form: code, message, hint, docs, request id.',
  'Lists come in pages: send `next` back as `cursor`. Every answer has X-Request-Id.',
  'A GET is answered to HEAD too; another method of a known path is 405 with Allow. What is no HTTP, or has headers without ' +
    'end, is answered 400 or 413 in the same form before it reaches a route.',
].join('\n\n');

/** The description of every route of the app, from the schemas that the routes check with. */
export function openApiDocument(app: Api, version: string): OpenApiDocument {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'caliban', version, description: DESCRIPTION },
    servers: [{ url: '/' }],
  });
  return {
    ...document,
    components: {
      ...document.components,
      headers: HEADER_COMPONENTS,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}
