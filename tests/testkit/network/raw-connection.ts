import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** The status line and the headers, as they were received. */
  readonly head: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** A TCP connection to a service, to which the test writes bytes. */
export interface RawConnection {
  readonly socket: Socket;
  write(data: string | Buffer): void;
  /** The next answer on this connection. @throws Error where the connection ends without one */
  answer(): Promise<RawAnswer>;
  /** All that was received and that `answer` has not taken, one character a byte. */
  received(): string;
  /** Resolves with `received()` once either side has closed the connection. */
  readonly closed: Promise<string>;
  /** Resets the connection, as a client does that is switched off. */
  reset(): void;
}

export async function openConnection(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received = Buffer.alloc(0);
  const text = () => received.toString('latin1');
  socket.on('data', (chunk) => (received = Buffer.concat([received, chunk])));
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text())));
  await once(socket, 'connect');
  // A service may reset a connection whose request it has not read. The socket is then closed.
  socket.on('error', () => {});
  return {
    socket,
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
    received: text,
    closed,
    reset: () => void socket.resetAndDestroy(),
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

/** Resolves once the operating system has taken the bytes. */
export function writeAll({ socket }: RawConnection, bytes: string | Buffer): Promise<void> {
  return new Promise((resolve) => socket.write(bytes, () => resolve()));
}

export interface RawExchange {
  /** All that was received, one character a byte. */
  readonly text: string;
  /** The status of each answer, in order. */
  readonly statuses: readonly number[];
}

/** The time after which an exchange gives up a service that neither answers nor closes the connection. */
const hangMs = 20_000;

/**
 * Sends bytes over one connection, and resolves once the service has closed it.
 *
 * @param parts each written separately; strings hold one character a byte
 * @param hangUp whether the client ends its side after the last part
 * @throws Error where the connection stays open
 */
export async function exchangeBytes(
  port: number,
  parts: readonly (string | Buffer)[],
  { hangUp = false } = {},
): Promise<RawExchange> {
  // The parts are encoded before the connection opens. Encoding megabytes in between would block the reading
  // of an early answer, and the service closes such a connection after a second.
  const encoded = parts.map((part) =>
    typeof part === 'string' ? Buffer.from(part, 'latin1') : part,
  );
  const { socket, closed } = await openConnection(port);
  let hangs = false;
  socket.setTimeout(hangMs, () => {
    hangs = true;
    socket.destroy();
  });
  for (const part of encoded) socket.write(part);
  if (hangUp) socket.end();
  const text = await closed;
  if (hangs) throw new Error(`still open after ${hangMs} ms, and received: ${text}`);
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
  return { text, statuses };
}
