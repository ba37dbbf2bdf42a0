import compress from '@fastify/compress';
import plugin from 'fastify-plugin';
import { parseJsonBody } from '../protocol/json.ts';

/** Bodies are JSON, plain or compressed; the size limit counts what they decompress to. */
export const jsonBody = plugin(
  async (app) => {
    await app.register(compress, { encodings: ['gzip', 'br', 'zstd', 'identity'] });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer' },
      // Fastify takes a promise here, or calls back; async turns a thrown problem into the former.
      async (_request: unknown, body: Buffer) => parseJsonBody(body),
    );
  },
  { name: 'json-body' },
);
