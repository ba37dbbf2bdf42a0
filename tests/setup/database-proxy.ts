import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP proxy before PostgreSQL, which counts round trips and can lose an answer. */
export interface DatabaseProxy {
  /** The database's URL, by way of the proxy. */
  readonly url: string;
  /** Times that a client spoke after the server had: one per round trip. */
  readonly trips: () => number;
  /** The next statement that holds `text` reaches the server, and its answer nobody. */
  loseAnswerTo(text: string): void;
  close(): Promise<void>;
}

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const sockets = new Set<Socket>();
  let trips = 0;
  let losing: string | undefined;

  const server = createServer((client) => {
    const database = connect(addressOf(databaseUrl));
    let serverSpoke = true;
    let lost = false;
    client.on('data', (chunk) => {
      if (serverSpoke) trips += 1;
      serverSpoke = false;
      if (losing !== undefined && chunk.includes(losing)) {
        lost = true;
        losing = undefined;
      }
      database.write(chunk);
    });
    database.on('data', (chunk) => {
      serverSpoke = true;
      if (lost) client.destroy();
      else client.write(chunk);
    });
    for (const [socket, other] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // Either end may break off: that is what this is for.
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  url.searchParams.delete('host');
  return {
    url: url.href,
    trips: () => trips,
    loseAnswerTo(text) {
      losing = text;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A unix socket's folder stands in the query, as libpq has it. */
function addressOf(databaseUrl: string) {
  const { searchParams, hostname, port } = new URL(databaseUrl);
  const folder = searchParams.get('host');
  return folder
    ? { path: `${folder}/.s.PGSQL.${port || '5432'}` }
    : { host: hostname, port: Number(port || '5432') };
}
