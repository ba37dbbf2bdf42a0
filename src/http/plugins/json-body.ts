import type { IncomingMessage } from 'node:http';
import compress from '@fastify/compress';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { RequestProblem } from '../../domain/errors.ts';
import { readContentEncoding, decompress } from '../../protocol/content-encoding.ts';
import { type ParsedBody, parseJsonBody } from '../../protocol/json-body.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of a duplicate member, by the index of the event that has it. */
    duplicateMembers: ParsedBody['duplicateMembers'];
  }
}

/**
 * Parses JSON bodies, plain or compressed. The size limit applies to the received bytes and to the
 * decompressed bytes.
 */
export const jsonBody = plugin(
  async (app) => {
    const encodings = ['gzip', 'br', 'zstd', 'identity'] as const;
    // The plugin does not limit the size of decompressed bodies, so bodies are decompressed below.
    await app.register(compress, { encodings: [...encodings], globalDecompression: false });
    app.removeAllContentTypeParsers();
    app.decorateRequest('duplicateMembers');
    // The body is read here. Fastify would limit the size of each body, but not of all bodies together.
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
 * The maximum of bytes on the connection for one body, as a multiple of the size limit. Chunks of one byte
 * each need several bytes of framing per byte of the body.
 */
const maxFramingFactor = 10;

/** @throws RequestProblem UNSUPPORTED_ENCODING, BODY_TOO_LARGE, INVALID_BODY, TENANT_BUSY or OVERLOADED */
async function readBody(request: FastifyRequest, payload: IncomingMessage): Promise<Buffer> {
  const { bodyLimit: maxBytes } = request.routeOptions;
  const coding = readContentEncoding(request.headers['content-encoding']);
  const tooLarge = () => new RequestProblem('BODY_TOO_LARGE', undefined, { maxBytes });
  const announcedBytes = Number(request.headers['content-length']);
  if (announcedBytes > maxBytes) throw tooLarge();
  const { socket } = payload;
  const bytesReadBefore = socket.bytesRead;
  let receivedBytes = 0;
  const receive = (chunk: Buffer) => {
    receivedBytes += chunk.length;
    const socketBytes = socket.bytesRead - bytesReadBefore;
    if (receivedBytes > maxBytes || socketBytes > maxFramingFactor * maxBytes) throw tooLarge();
  };

  const chunks: Buffer[] = [];
  let bytes = 0;
  const keep = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    request.bodyShare?.take(chunk.length);
    chunks.push(chunk);
  };

  if (coding === undefined) {
    await readChunks(payload, (chunk) => {
      receive(chunk);
      keep(chunk);
    });
  } else {
    for await (const chunk of decompress(chunksOf(payload, receive), coding)) keep(chunk);
  }
  const isIncomplete = !Number.isNaN(announcedBytes) && receivedBytes !== announcedBytes;
  if (isIncomplete) throw new RequestProblem('INVALID_BODY');
  const [first] = chunks;
  return first && chunks.length === 1 ? first : Buffer.concat(chunks, bytes);
}

/**
 * Reads a body without an iterator, which would take longer than a small body itself. After an error of `use` the
 * connection stays open, because the answer still needs it.
 */
function readChunks(payload: IncomingMessage, use: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (settle: () => void) => {
      payload.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      settle();
    };
    const onData = (chunk: Buffer) => {
      try {
        use(chunk);
      } catch (error) {
        payload.pause();
        stop(() => reject(error));
      }
    };
    const onEnd = () => stop(resolve);
    const onError = (error: Error) => stop(() => reject(error));
    // The connection broke before the end of the body.
    const onClose = () => stop(() => reject(new RequestProblem('INVALID_BODY')));
    payload.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}

async function* chunksOf(
  payload: IncomingMessage,
  use: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of payload.iterator({ destroyOnReturn: false })) {
    use(chunk);
    yield chunk;
  }
}
