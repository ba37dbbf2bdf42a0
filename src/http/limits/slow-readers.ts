import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface SlowReadersOptions {
  /** Every open connection, with its answers that are not sent yet, in order. */
  readonly open: ReadonlyMap<Socket, readonly { readonly response: ServerResponse }[]>;
  /** Between two looks, in milliseconds. */
  readonly periodMs: number;
  /** What a client has to take in a period, while an answer waits for it. */
  readonly minBytes: number;
  readonly onCut: () => void;
}

/** Of the stream below a socket: what Node's own timeout for connections goes by. */
interface Handle {
  /** Handed to the system. */
  readonly bytesWritten: number;
  /** Of those, what it has not taken. */
  readonly writeQueueSize: number;
}

/**
 * Ends connections whose clients hardly read. Node ends one of which nothing is taken; a client that takes
 * a kilobyte now and then would keep an answer in memory for hours.
 *
 * @returns what ends the watch
 */
export function watchSlowReaders(options: SlowReadersOptions): () => void {
  const { open, periodMs, minBytes, onCut } = options;
  /** What had been taken at the last look, of connections on which this answer waited. */
  let before = new Map<ServerResponse, number>();

  function look(): void {
    const now = new Map<ServerResponse, number>();
    for (const [socket, [next]] of open) {
      if (!next || !isWaiting(socket, next.response)) continue;
      const taken = takenOf(socket);
      if (taken - (before.get(next.response) ?? Number.NEGATIVE_INFINITY) < minBytes) {
        onCut();
        socket.resetAndDestroy();
      } else {
        now.set(next.response, taken);
      }
    }
    before = now;
  }

  const timer = setInterval(look, periodMs).unref();
  return () => clearInterval(timer);
}

function isWaiting({ writableLength }: Socket, response: ServerResponse): boolean {
  return response.headersSent && !response.writableFinished && writableLength > 0;
}

function takenOf(socket: Socket): number {
  const handle: Handle | null | undefined = Reflect.get(socket, '_handle');
  return handle ? handle.bytesWritten - handle.writeQueueSize : 0;
}
