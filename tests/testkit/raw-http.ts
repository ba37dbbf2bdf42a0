import { connect } from 'node:net';

export interface Exchange {
  /** All that came back, one character a byte. */
  readonly text: string;
  /** Of each answer, in order. */
  readonly statuses: readonly number[];
}

/** For what hangs: a service that neither answers nor closes. */
const hangMs = 20_000;

/**
 * Sends bytes as they stand over one connection, and resolves when the service has closed it.
 *
 * @param parts each written on its own
 * @param hangUp end the sending side after the last part, as a client does that is gone
 * @throws Error where the connection stays open
 */
export function exchange(
  port: number,
  parts: readonly (string | Buffer)[],
  { hangUp = false } = {},
): Promise<Exchange> {
  const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  const textOf = () => Buffer.concat(chunks).toString('latin1');
  socket.setTimeout(hangMs, () => {
    socket.destroy();
    reject(new Error(`still open after ${hangMs} ms, and answered: ${textOf()}`));
  });
  socket.on('data', (chunk) => chunks.push(chunk));
  // A reset closes the connection too, as where the service refused before it had read everything.
  socket.on('error', () => {});
  socket.on('close', () => {
    const text = textOf();
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
    resolve({ text, statuses });
  });
  for (const part of parts)
    socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
  if (hangUp) socket.end();
  return promise;
}
