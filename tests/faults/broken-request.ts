import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { SentEvent } from '../testkit/oracle/events.ts';
import type { Entrance } from './stage.ts';

/** A push as bytes, whole: what comes before its body, and that. */
export interface RawPush {
  readonly head: string;
  readonly body: Buffer;
}

export function rawPush(
  { token }: Entrance,
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

/** Of a body that is as long as it says, or `more` bytes longer. */
export const lengthOf =
  (more = 0) =>
  ({ length }: Buffer) =>
    `Content-Length: ${length + more}`;

export const chunked = () => 'Transfer-Encoding: chunked';

/** Without the last chunk, which says that there are no more. */
export function openChunks(body: Buffer): Buffer {
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

export interface RawConnection {
  readonly socket: Socket;
  /** Resolves with what was answered, once the service has closed it or the client has. */
  readonly closed: Promise<string>;
}

export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // The service may reset what it has not read to the end.
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
  await once(socket, 'connect');
  return { socket, closed };
}

/** Resolves when the system has taken the bytes. */
export function write(socket: Socket, bytes: string | Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}
