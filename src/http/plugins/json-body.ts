import type { IncomingMessage } from 'node:http';
import compress from '@fastify/compress';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { RequestProblem } from '../../domain/errors.ts';
import { readContentEncoding, decompress } from '../../protocol/content-encoding.ts';
import { type ParsedBody, parseJsonBody } from '../../protocol/json-body.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the events in the body that have a member twice, the name of that member, by their index. */
    duplicateMembers: ParsedBody['duplicateMembers'];
  }
}

/** Bodies are JSON, plain or compressed; the size limit counts both what is sent and what it decodes to. */
export const jsonBody = plugin(
  async (app) => {
    const encodings = ['gzip', 'br', 'zstd', 'identity'] as const;
    // The plugin does not bound what it reads.
    await app.register(compress, { encodings: [...encodings], globalDecompression: false });
    app.removeAllContentTypeParsers();
    app.decorateRequest('duplicateMembers');
    // Read here and not by the framework, which would keep to each body's limit and to none of all.
    app.addContentTypeParser(
      'application/json',
      async (request: FastifyRequest, payload: IncomingMessage) => {
        const { value, duplicateMembers } = parseJsonBody(await readBody(request, payload));
        request.duplicateMembers = duplicateMembers;
        return value;
      },
    );
  },
  { name: 'json-body', dependencies: ['overload'] },
);

/**
 * Of the bytes on the connection, how many times the size limit one body may take: what chunks are
 * wrapped in is several times as much as they hold where they are of one byte.
 */
const maxFraming = 10;

/** @throws RequestProblem UNSUPPORTED_ENCODING, BODY_TOO_LARGE, INVALID_BODY, TENANT_BUSY or OVERLOADED */
async function readBody(request: FastifyRequest, payload: IncomingMessage): Promise<Buffer> {
  const { bodyLimit: maxBytes } = request.routeOptions;
  const coding = readContentEncoding(request.headers['content-encoding']);
  const tooLarge = () => new RequestProblem('BODY_TOO_LARGE', undefined, { maxBytes });
  const announced = Number(request.headers['content-length']);
  if (announced > maxBytes) throw tooLarge();
  const { socket } = payload;
  const before = socket.bytesRead;
  let arrived = 0;

  async function* received(): AsyncGenerator<Buffer> {
    // Left open where this stops: the answer has yet to leave by the same connection.
    for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
      arrived += chunk.length;
      if (arrived > maxBytes || socket.bytesRead - before > maxFraming * maxBytes) throw tooLarge();
      yield chunk;
    }
  }

  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of coding === undefined ? received() : decompress(received(), coding)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    request.bodyShare?.take(chunk.length);
    chunks.push(chunk);
  }
  if (!Number.isNaN(announced) && arrived !== announced) throw new RequestProblem('INVALID_BODY');
  return Buffer.concat(chunks, bytes);
}
