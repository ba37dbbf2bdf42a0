import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A bad network between one client and the service. */
export interface CuttingProxy {
  readonly url: string;
  /** Breaks all connections and takes no new ones. */
  goOffline(): void;
  goOnline(): void;
  /** Resolves when the next POST is on its way to the service, which has not answered it yet. */
  nextPost(): Promise<void>;
  /**
   * The service will answer the next POST, and the client will not get that answer: its connection
   * breaks or, with `hang`, stays silent. Resolves when the answer is lost.
   */
  loseNextAnswer(how?: 'break' | 'hang'): Promise<void>;
  close(): Promise<void>;
}

interface Faults {
  online: boolean;
  /** Waiting for a POST, each for the next. */
  posts: (() => void)[];
  answer: { how: 'break' | 'hang'; lost: () => void } | undefined;
}

/** Forwards TCP to a port at which the service may come and go. */
export async function startCuttingProxy(port: number, host = '127.0.0.1'): Promise<CuttingProxy> {
  const faults: Faults = { online: true, posts: [], answer: undefined };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (!faults.online) return void client.resetAndDestroy();
    const service = connect(port, host);
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    join(client, service, faults);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => sockets.forEach((socket) => socket.resetAndDestroy());

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    goOffline() {
      faults.online = false;
      breakAll();
    },
    goOnline() {
      faults.online = true;
    },
    nextPost: () => new Promise((resolve) => faults.posts.push(resolve)),
    loseNextAnswer: (how = 'break') =>
      new Promise((lost) => {
        faults.answer = { how, lost };
      }),
    async close() {
      breakAll();
      server.close();
      await once(server, 'close');
    },
  };
}

function join(client: Socket, service: Socket, faults: Faults): void {
  let isPost = false;
  let silent = false;
  client.on('data', (chunk) => {
    service.write(chunk);
    // No client here pipelines, so the head of a request is the beginning of a chunk.
    const method = /^([A-Z]+) \/\S* HTTP\/1/.exec(chunk.toString('latin1'))?.[1];
    if (method) isPost = method === 'POST';
    if (method && isPost) faults.posts.splice(0).forEach((resolve) => resolve());
  });
  service.on('data', (chunk) => {
    const fault = isPost ? faults.answer : undefined;
    if (fault) {
      faults.answer = undefined;
      silent = true;
      if (fault.how === 'break') client.resetAndDestroy();
      fault.lost();
    }
    if (!silent) client.write(chunk);
  });
  // Either end's end is the other's; what broke it is of no interest.
  for (const [one, other] of [[client, service] as const, [service, client] as const]) {
    one.on('error', () => {});
    one.once('close', () => other.destroy());
  }
}
