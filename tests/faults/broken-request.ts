import { gzipSync } from 'node:zlib';
import type { SentEvent } from '../testkit/events/sent-events.ts';
import type { ServiceEndpoint } from './fixtures.ts';

/** The bytes of a complete push: the head with its empty line, and the body. */
export interface RawPush {
  readonly head: string;
  readonly body: Buffer;
}

/** @param framing the header that tells the length of the body */
export function buildRawPush(
  { token }: ServiceEndpoint,
  tenant: string,
  events: readonly SentEvent[],
  framing: (body: Buffer) => string,
  encoding: 'identity' | 'gzip' = 'identity',
): RawPush {
  const json = Buffer.from(JSON.stringify({ events }));
  const body = encoding === 'gzip' ? gzipSync(json) : json;
  const lines = [
    'POST /api/sync/events HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${token({ tenant })}`,
    'Content-Type: application/json',
    `Content-Encoding: ${encoding}`,
    framing(body),
  ];
  return { head: `${lines.join('\r\n')}\r\n\r\n`, body };
}

/** The header for a body of its real length, or of a length that promises `more` bytes. */
export const contentLength =
  (more = 0) =>
  ({ length }: Buffer) =>
    `Content-Length: ${length + more}`;

export const chunkedEncoding = () => 'Transfer-Encoding: chunked';

/** The body in two chunks, without the empty chunk that ends it. */
export function unterminatedChunks(body: Buffer): Buffer {
  const half = body.length >> 1;
  const parts = [body.subarray(0, half), body.subarray(half)];
  return Buffer.concat(
    parts.flatMap((part) => [
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from('\r\n'),
    ]),
  );
}
