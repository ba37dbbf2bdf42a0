import { setTimeout as sleep } from 'node:timers/promises';
import { type Service, startService, type TokenClaims } from '../tests/testkit/service.ts';
import { startTcpProxy, type TcpProxy } from '../tests/testkit/tcp-proxy.ts';

/** A service process, with the network before it and the network behind it. */
export interface Node {
  readonly name: string;
  /** Where clients reach it, whatever happens to its process. */
  readonly url: string;
  /** Between clients and the service. */
  readonly clients: TcpProxy;
  /** Between the service and PostgreSQL. */
  readonly database: TcpProxy;
  token(claims: TokenClaims): string;
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  /** Tries again until it is ready, as a supervisor does, or the stage closes. */
  start(): Promise<void>;
  /** Its last words, where it ended although nobody killed it. */
  endedByItself(): string | undefined;
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly closing: AbortSignal;
}

/** So short that tombstones are purged again and again while edits from before them still arrive. */
const retention = { TOMBSTONE_RETENTION: '20s', RETENTION_INTERVAL: '5s' };

export async function openNode({
  name,
  dataDir,
  databaseUrl,
  closing,
}: NodeOptions): Promise<Node> {
  const database = await startTcpProxy(databaseUrl);
  const run = (port = 0): Promise<Service> =>
    startService({ dataDir, port, env: { ...retention, DATABASE_URL: database.url } });
  let service = await run().catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const { port } = service;
  const clients = await startTcpProxy(port);
  let killed = false;

  return {
    name,
    url: clients.url,
    clients,
    database,
    token: (claims) => service.token(claims),
    freeze: () => service.freeze(),
    thaw: () => service.thaw(),
    async kill() {
      killed = true;
      await service.kill();
    },
    async start() {
      while (killed && !closing.aborted) {
        try {
          service = await run(port);
          killed = false;
        } catch {
          // The database may be away; a supervisor tries again.
          await sleep(200);
        }
      }
    },
    endedByItself() {
      if (killed || lives(service.pid)) return undefined;
      return service.logLines
        .slice(-5)
        .map((line) => JSON.stringify(line))
        .join('\n');
    },
    async stop() {
      await service.stop();
      await clients.close();
      await database.close();
    },
  };
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
