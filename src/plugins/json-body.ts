import type { Readable } from 'node:stream';
import compress from '@fastify/compress';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { RequestProblem } from '../errors.ts';
import { parseJsonBody } from '../protocol/json.ts';

/** Bodies are JSON, plain or compressed; the size limit counts what they decompress to. */
export const jsonBody = plugin(
  async (app) => {
    // What has no body has no encoding either, whatever its headers say.
    app.addHook('onRoute', (route) => {
      if (route.method === 'GET') route.decompress = false;
    });
    await app.register(compress, { encodings: ['gzip', 'br', 'zstd', 'identity'] });
    app.removeAllContentTypeParsers();
    // Read here and not by the framework, which would keep to each body's limit and to none of all.
    app.addContentTypeParser(
      'application/json',
      async (request: FastifyRequest, payload: Payload) =>
        parseJsonBody(await readBody(request, payload)),
    );
  },
  { name: 'json-body', dependencies: ['overload'] },
);

/** The request's own stream, or what decompresses it and counts what went in. */
type Payload = Readable & { readonly receivedEncodedLength?: number };

/** @throws RequestProblem BODY_TOO_LARGE, INVALID_BODY, TENANT_BUSY or OVERLOADED */
async function readBody(request: FastifyRequest, payload: Payload): Promise<Buffer> {
  const { bodyLimit: maxBytes } = request.routeOptions;
  const tooLarge = () => new RequestProblem('BODY_TOO_LARGE', undefined, { maxBytes });
  const announced = Number(request.headers['content-length']);
  if (announced > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left open where this stops: the answer has yet to leave by the same connection.
  for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    request.bodyShare?.take(chunk.length);
    chunks.push(chunk);
  }
  const arrived = payload.receivedEncodedLength ?? bytes;
  if (!Number.isNaN(announced) && arrived !== announced) throw new RequestProblem('INVALID_BODY');
  return Buffer.concat(chunks, bytes);
}
