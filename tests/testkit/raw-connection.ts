import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance } from 'fastify';

export interface RawAnswer {
  readonly status: number;
  /** As it came, up to the empty line. */
  readonly head: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** One connection to a service, written to as the test says. */
export interface RawConnection {
  write(data: string | Buffer): void;
  /** The next answer on this connection. @throws Error where the connection ends without one */
  answer(): Promise<RawAnswer>;
  /** Breaks off, as a client that is switched off. */
  leave(): void;
}

/** Starts to listen where the app does not yet. @returns its port */
export async function listen(app: FastifyInstance): Promise<number> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
}

export async function openConnection(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => (received = Buffer.concat([received, chunk])));
  // What breaks shows as the end of what comes.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return {
    write: (data) => void socket.write(data),
    async answer() {
      for (;;) {
        const found = readAnswer(received);
        if (found) {
          received = received.subarray(found.length);
          return found.answer;
        }
        if (socket.destroyed) throw new Error(`no answer, but ${JSON.stringify(String(received))}`);
        await Promise.race([once(socket, 'data'), once(socket, 'close')]);
      }
    },
    leave: () => void socket.resetAndDestroy(),
  };
}

function readAnswer(received: Buffer) {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = received.toString('latin1', 0, end);
  const size = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  const length = end + 4 + size;
  if (received.length < length) return undefined;
  const text = received.toString('utf8', end + 4, length);
  const status = Number(head.split(' ')[1]);
  return { length, answer: { status, head, body: text === '' ? undefined : JSON.parse(text) } };
}
