import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { namesTag } from '../protocol/entity-tag.ts';

/** What is answered to everybody alike, for as long as the process lives. */
export interface Source {
  readonly type: string;
  /** Asked at the first request. */
  readonly read: () => string | Buffer;
}

/** High enough for a small file, low enough for some tens of milliseconds of another thread. */
const brotliQuality = 6;

const compressors = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality },
    }),
  gzip: (body: Buffer) => promisify(gzip)(body),
} as const;
type Encoding = keyof typeof compressors;
const encodings = Object.keys(compressors) as Encoding[];

const isCompressible = (type: string) => !type.startsWith('image/');

/**
 * Reads once, compresses once in each way that somebody asks for, on another thread, and keeps both. A
 * client that names the tag of what it has is answered 304.
 */
export function keepAnswer({ type, read }: Source) {
  let kept: { readonly body: Buffer; readonly etag: string } | undefined;
  const compressed = new Map<Encoding, Promise<Buffer>>();

  function whole() {
    if (kept) return kept;
    const body = Buffer.from(read());
    kept = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
    return kept;
  }

  function compress(body: Buffer, encoding: Encoding): Promise<Buffer> {
    const found = compressed.get(encoding) ?? compressors[encoding](body);
    compressed.set(encoding, found);
    return found;
  }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { body, etag } = whole();
    // Weak: it is the same for what is compressed and what is not.
    reply.header('etag', `W/${etag}`).header('cache-control', 'no-cache');
    reply.header('vary', 'accept-encoding');
    if (namesTag(request.headers['if-none-match'], etag)) return reply.code(304).send();
    reply.type(type);
    const accepted = request.headers['accept-encoding'];
    const encoding =
      accepted !== undefined && isCompressible(type) ? negotiate(accepted, encodings) : null;
    if (encoding === null) return reply.send(body);
    return reply.header('content-encoding', encoding).send(await compress(body, encoding));
  };
}
