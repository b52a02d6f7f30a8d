import { createHash } from 'node:crypto';
import { LIMITS } from '../../shared/api/limits.ts';
import { ERROR_CATALOG } from '../../shared/errors/catalog.ts';
import type { OpenApiDocument } from './openapi-document.ts';

/** A page and the policy it needs: no script, no foreign part, only its own style. */
export interface DocsPage {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8884; border-radius: 4px; }
section.route { border-top: 1px solid #8884; margin-top: 1.5rem; }
h3 code { font-size: 1.05rem; }
.method { text-transform: uppercase; font-weight: 700; margin-right: .5rem; }
table { border-collapse: collapse; }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
nav ul { columns: 2; }
`;

/** The API as a page to read, made from its OpenAPI document alone; complete without any other request. */
export function docsPage(document: OpenApiDocument): DocsPage {
  const operations = operationsOf(document);
  const body = [
    `<h1>${html(document.info.title)} ${html(document.info.version)}</h1>`,
    ...paragraphs(document.info.description),
    '<p>For programs: <a href="/openapi.json">/openapi.json</a></p>',
    contents(operations),
    '<h2 id="routes">Routes</h2>',
    ...operations.map(operationSection),
    '<h2 id="limits">Limits</h2>',
    '<p>Sizes in bytes, durations in milliseconds; also in <code>GET /v1/service</code>.</p>',
    table(['limit', 'value'], Object.entries(LIMITS)),
    '<h2 id="errors">Error codes</h2>',
    table(['code', 'status', 'may succeed later'], errorRows()),
    '<h2 id="schemas">Schemas</h2>',
    ...schemaSections(document),
  ];
  const digest = createHash('sha256').update(STYLE).digest('base64');
  return {
    html: frame(`${document.info.title} API`, body.join('\n')),
    contentSecurityPolicy: `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

type Paths = NonNullable<OpenApiDocument['paths']>;
type Operation = NonNullable<Paths[string]['get']>;

interface Described {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

function operationsOf(document: OpenApiDocument): Described[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method, path, operation }];
    }),
  );
}

function contents(operations: readonly Described[]): string {
  const items = operations.map((each) => {
    const name = `${each.method.toUpperCase()} ${each.path}`;
    return `<li><a href="#${anchor(each)}"><code>${html(name)}</code></a></li>`;
  });
  return `<nav><ul>${items.join('')}</ul></nav>`;
}

function operationSection(described: Described): string {
  const { method, path, operation } = described;
  const parts = [
    `<section class="route" id="${anchor(described)}">`,
    `<h3><span class="method">${method}</span><code>${html(path)}</code></h3>`,
    `<p>${html(operation.summary ?? '')}.</p>`,
    ...paragraphs(operation.description),
    parameterTable(operation),
    requestPart(operation),
    answerTable(operation),
    '</section>',
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function parameterTable(operation: Operation): string {
  const rows = (operation.parameters ?? []).flatMap((parameter) =>
    'in' in parameter
      ? [
          [
            parameter.name,
            parameter.in,
            parameter.required === true ? 'required' : 'optional',
            schemaText(parameter.schema),
          ],
        ]
      : [],
  );
  return rows.length === 0 ? '' : table(['parameter', 'in', '', 'schema'], rows);
}

function requestPart(operation: Operation): string {
  const body = operation.requestBody;
  if (body === undefined || !('content' in body)) return '';
  const types = Object.entries(body.content).map(([type, media]) => [
    type,
    schemaText(media.schema),
  ]);
  return table(['body', 'schema'], types);
}

function answerTable(operation: Operation): string {
  const rows = Object.entries(operation.responses ?? {}).map(([status, answer]) => {
    const content: Record<string, { schema?: unknown }> = answer.content ?? {};
    const types = Object.entries(content).map(
      ([type, media]) => `${type} ${schemaText(media.schema)}`,
    );
    return [status, String(answer.description ?? ''), types.join(', ')];
  });
  return table(['answer', '', 'content'], rows);
}

// A reference by its name; anything else as the schema itself, on one line.
function schemaText(schema: unknown): string {
  if (schema === undefined) return '';
  const text = JSON.stringify(schema);
  return text.replaceAll(/\{"\$ref":"#\/components\/schemas\/(\w+)"\}/g, '$1');
}

function schemaSections(document: OpenApiDocument): string[] {
  const schemas = Object.entries(document.components?.schemas ?? {});
  return schemas.map(
    ([name, schema]) =>
      `<h3 id="schema-${html(name)}"><code>${html(name)}</code></h3>\n<pre>${html(JSON.stringify(schema, null, 2))}</pre>`,
  );
}

function errorRows(): unknown[][] {
  return Object.entries(ERROR_CATALOG).map(([code, { status, retryable }]) => [
    code,
    status,
    retryable ? 'yes' : 'no',
  ]);
}

function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const titles = head.map((title) => `<th>${html(title)}</th>`).join('');
  const lines = rows.map(
    (row) => `<tr>${row.map((cell) => `<td>${html(String(cell))}</td>`).join('')}</tr>`,
  );
  return `<table><thead><tr>${titles}</tr></thead><tbody>${lines.join('\n')}</tbody></table>`;
}

function paragraphs(text: string | undefined): string[] {
  return (text ?? '')
    .split('\n\n')
    .filter((part) => part !== '')
    .map((part) => `<p>${html(part)}</p>`);
}

function anchor({ method, path }: Described): string {
  return `${method}${path.replaceAll(/[^a-zA-Z0-9]+/g, '-')}`;
}

function frame(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(title)}</title><style>${STYLE}</style></head>
<body>
${body}
</body></html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML, in elements and in double-quoted attributes. */
function html(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
