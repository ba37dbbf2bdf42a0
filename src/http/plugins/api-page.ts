import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { stringify } from 'yaml';
import { cacheFile, type CachedFile, type FileSource } from '../openapi/cached-file.ts';
import { matchesEntityTag } from '../../protocol/entity-tag.ts';

/** Of Swagger UI: what the page below loads. */
const files: readonly (readonly [name: string, type: string])[] = [
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['index.css', 'text/css; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
];

/**
 * The page needs no more than its own files and this service. Nothing here may ask for https: who opens
 * the page by http would get none of them, and a blank page.
 */
const contentSecurityPolicy = [
  "default-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "img-src 'self' data:",
  "object-src 'none'",
  "script-src 'self'",
  "script-src-attr 'none'",
].join(';');

/** The API page at /docs, with the document as JSON and YAML below it. */
export const apiPage = plugin<{ document: () => object }>(
  async (app, { document }) => {
    const folder = dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui'));
    const pages: Record<string, FileSource> = {
      '/docs': html('docs/'),
      '/docs/': html(''),
      '/docs/json': {
        type: 'application/json; charset=utf-8',
        read: () => JSON.stringify(document()),
      },
      '/docs/yaml': { type: 'application/yaml', read: () => stringify(document()) },
      '/docs/static/initializer.js': {
        type: 'text/javascript; charset=utf-8',
        read: () => initializer,
      },
    };
    for (const [name, type] of files) {
      pages[`/docs/static/${name}`] = {
        type,
        read: () => readFileSync(join(folder, 'static', name)),
      };
    }
    for (const [url, source] of Object.entries(pages)) {
      const file = cacheFile(source);
      app.get(url, { compress: false }, (request, reply) => sendFile(file, request, reply));
    }
  },
  { name: 'api-page' },
);

async function sendFile(
  file: CachedFile,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const etag = file.etag();
  reply.header('content-security-policy', contentSecurityPolicy);
  // Weak: it is the same for what is compressed and what is not.
  reply.header('etag', `W/${etag}`).header('cache-control', 'no-cache');
  reply.header('vary', 'accept-encoding');
  if (matchesEntityTag(headers['if-none-match'], etag)) return reply.code(304).send();
  const encoding = negotiate(headers['accept-encoding'] ?? '', file.encodings);
  if (encoding !== null) reply.header('content-encoding', encoding);
  return reply.type(file.type).send(await file.body(encoding));
}

/** By relative addresses: a proxy may have it under a path of its own. */
const html = (base: string): FileSource => ({
  type: 'text/html; charset=utf-8',
  read: () => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Landfall</title>
<link rel="icon" type="image/png" href="${base}static/favicon-32x32.png">
<link rel="stylesheet" href="${base}static/swagger-ui.css">
<link rel="stylesheet" href="${base}static/index.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${base}static/swagger-ui-bundle.js"></script>
<script src="${base}static/initializer.js"></script>
</body>
</html>
`,
});

const initializer = `SwaggerUIBundle({
  url: new URL('../json', document.currentScript.src).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});
`;
