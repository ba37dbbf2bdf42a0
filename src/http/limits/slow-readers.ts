import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface SlowReadersOptions {
  /** Every open connection, with the responses that are not sent yet, in order. */
  readonly connections: ReadonlyMap<Socket, readonly { readonly response: ServerResponse }[]>;
  /** The time between two checks in milliseconds. */
  readonly periodMs: number;
  /** The minimum of bytes that a client must receive per period while an answer waits for it. */
  readonly minBytes: number;
  readonly onCut: () => void;
}

/** The stream below a socket. Node's own socket timeout uses the same fields. */
interface SocketHandle {
  /** The bytes that were passed to the operating system. */
  readonly bytesWritten: number;
  /** The part of `bytesWritten` that the operating system has not accepted yet. */
  readonly writeQueueSize: number;
}

/**
 * Closes connections whose clients read very slowly. Node closes only connections without any progress.
 * A client that receives a kilobyte now and then would keep its answer in memory for hours.
 *
 * @returns a function that stops the checks
 */
export function watchSlowReaders(options: SlowReadersOptions): () => void {
  const { connections, periodMs, minBytes, onCut } = options;
  /** The sent bytes at the last check, by the response that was waiting then. */
  let sentBefore = new Map<ServerResponse, number>();

  function checkConnections(): void {
    const sentNow = new Map<ServerResponse, number>();
    for (const [socket, [next]] of connections) {
      if (!next || !isWaiting(socket, next.response)) continue;
      const sent = sentBytes(socket);
      if (sent - (sentBefore.get(next.response) ?? Number.NEGATIVE_INFINITY) < minBytes) {
        onCut();
        socket.resetAndDestroy();
      } else {
        sentNow.set(next.response, sent);
      }
    }
    sentBefore = sentNow;
  }

  const timer = setInterval(checkConnections, periodMs).unref();
  return () => clearInterval(timer);
}

function isWaiting({ writableLength }: Socket, response: ServerResponse): boolean {
  return response.headersSent && !response.writableFinished && writableLength > 0;
}

function sentBytes(socket: Socket): number {
  const handle: SocketHandle | null | undefined = Reflect.get(socket, '_handle');
  return handle ? handle.bytesWritten - handle.writeQueueSize : 0;
}
