import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { stringify } from 'yaml';
import { matchesEntityTag } from '../../protocol/request.ts';

/** The files of Swagger UI that the page loads. */
const swaggerFiles: readonly (readonly [name: string, type: string])[] = [
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['index.css', 'text/css; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
];

/**
 * The page needs only its own files and this service. The policy must not require https: a browser that
 * opens the page by http would then load none of the files and show a blank page.
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

/** A balance: small files, compressed within tens of milliseconds on another thread. */
const brotliQuality = 6;

const compressors = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality },
    }),
  gzip: (body: Buffer) => promisify(gzip)(body),
} as const;
type Encoding = keyof typeof compressors;

/** A file that is the same for all clients, as long as the process runs. */
export interface FileSource {
  readonly type: string;
  /** Called once, at the first request for the file. */
  readonly read: () => string | Buffer;
}

export interface CachedFile {
  readonly type: string;
  /** The best encoding first. Empty if compression does not make the file smaller. */
  readonly encodings: Encoding[];
  /** The entity tag, in quotes. */
  etag(): string;
  body(encoding: Encoding | null): Promise<Buffer>;
}

/** Serves the API page at /docs, and the OpenAPI document as JSON and YAML below it. */
export const apiPage = plugin<{ document: () => object }>(
  async (app, { document }) => {
    const folder = dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui'));
    const pages: Record<string, FileSource> = {
      '/docs': htmlPage('docs/'),
      '/docs/': htmlPage(''),
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
    for (const [name, type] of swaggerFiles) {
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
  // The entity tag is weak, because the compressed and the plain body share it.
  reply.header('etag', `W/${etag}`).header('cache-control', 'no-cache');
  reply.header('vary', 'accept-encoding');
  if (matchesEntityTag(headers['if-none-match'], etag)) return reply.code(304).send();
  const encoding = negotiate(headers['accept-encoding'] ?? '', file.encodings);
  if (encoding !== null) reply.header('content-encoding', encoding);
  return reply.type(file.type).send(await file.body(encoding));
}

/** Reads a file once, compresses it once per requested encoding on another thread, and caches the results. */
export function cacheFile({ type, read }: FileSource): CachedFile {
  let cached: { readonly body: Buffer; readonly etag: string } | undefined;
  const compressed = new Map<Encoding, Promise<Buffer>>();

  function readOnce() {
    if (cached) return cached;
    const body = Buffer.from(read());
    cached = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
    return cached;
  }

  return {
    type,
    encodings: type.startsWith('image/') ? [] : ['br', 'gzip'],
    etag: () => readOnce().etag,
    async body(encoding) {
      if (encoding === null) return readOnce().body;
      const body = compressed.get(encoding) ?? compressors[encoding](readOnce().body);
      compressed.set(encoding, body);
      return body;
    },
  };
}

/** Addresses are relative, because a proxy may serve the page under a path of its own. */
const htmlPage = (base: string): FileSource => ({
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
