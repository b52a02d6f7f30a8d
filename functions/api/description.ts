import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { ANSWER_HEADERS, json, publicFailures } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { docsPage } from './docs-page.ts';
import { type OpenApiDocument, openApiDocument } from './openapi-document.ts';

const TAGS = ['operations'];

const getOpenApi = createRoute({
  method: 'get',
  path: '/openapi.json',
  tags: TAGS,
  summary: 'This API as an OpenAPI 3.1 document',
  responses: {
    200: json(z.record(z.string(), z.unknown()), 'The document.'),
    ...publicFailures(),
  },
});

const getDocs = createRoute({
  method: 'get',
  path: '/docs',
  tags: TAGS,
  summary: 'This API as a page to read',
  responses: {
    200: {
      description: 'The page.',
      headers: ANSWER_HEADERS,
      content: { 'text/html': { schema: z.string() } },
    },
    ...publicFailures(),
  },
});

/** Routes that describe the API. Both answers are made once, when first asked for. */
export function addDescription(app: Api, { service }: ApiHost): void {
  let document: OpenApiDocument | undefined;
  const theDocument = (): OpenApiDocument => {
    document ??= openApiDocument(app, service.version);
    return document;
  };
  let text: string | undefined;
  app.openapi(getOpenApi, (c) => {
    text ??= JSON.stringify(theDocument());
    c.header('Content-Type', 'application/json');
    // Written once as text; the type of the answer is that of the document.
    return c.body(text, 200) as never;
  });
  let page: ReturnType<typeof docsPage> | undefined;
  app.openapi(getDocs, (c) => {
    page ??= docsPage(theDocument());
    c.header('Content-Security-Policy', page.contentSecurityPolicy);
    c.header('Content-Type', 'text/html; charset=utf-8');
    return c.body(page.html, 200);
  });
}
