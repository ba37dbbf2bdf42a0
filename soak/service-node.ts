import { setTimeout as sleep } from 'node:timers/promises';
import { startTcpProxy, type TcpProxy } from '../tests/testkit/network/tcp-proxy.ts';
import { isRunning } from '../tests/testkit/processes/child-process.ts';
import {
  type ServiceProcess,
  startService,
  type TokenOptions,
} from '../tests/testkit/processes/service-process.ts';

/** A service process between two proxies: one for its clients, and one for its database. */
export interface ServiceNode {
  readonly name: string;
  /** The URL for clients, which stays the same when the process is restarted. */
  readonly url: string;
  /** Between clients and the service. */
  readonly clientProxy: TcpProxy;
  /** Between the service and PostgreSQL. */
  readonly databaseProxy: TcpProxy;
  token(options: TokenOptions): string;
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  /** Starts the killed process again. It repeats that until the process is ready, or the soak ends. */
  start(): Promise<void>;
  /** The last log lines of a process that ended although the soak did not kill it; undefined otherwise. */
  unexpectedExitReason(): string | undefined;
  stop(): Promise<void>;
}

export interface ServiceNodeOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly databaseUrl: string;
  /** Aborted when the soak ends. */
  readonly closing: AbortSignal;
}

/** Short, so that retention purges tombstones while edits that are older still arrive. */
const retention = { TOMBSTONE_RETENTION: '20s', RETENTION_INTERVAL: '5s' };
const restartPauseMs = 200;

export async function openServiceNode({
  name,
  dataDir,
  databaseUrl,
  closing,
}: ServiceNodeOptions): Promise<ServiceNode> {
  const databaseProxy = await startTcpProxy(databaseUrl);
  const startProcess = (port = 0): Promise<ServiceProcess> =>
    startService({ dataDir, port, env: { ...retention, DATABASE_URL: databaseProxy.url } });
  let service = await startProcess().catch(async (error: unknown) => {
    await databaseProxy.close();
    throw error;
  });
  const { port } = service;
  const clientProxy = await startTcpProxy(port);
  let isKilled = false;

  return {
    name,
    url: clientProxy.url,
    clientProxy,
    databaseProxy,
    token: (options) => service.token(options),
    freeze: () => service.freeze(),
    thaw: () => service.thaw(),
    async kill() {
      isKilled = true;
      await service.kill();
    },
    async start() {
      while (isKilled && !closing.aborted) {
        try {
          service = await startProcess(port);
          isKilled = false;
        } catch {
          // The database may be down. A supervisor retries too.
          await sleep(restartPauseMs);
        }
      }
    },
    unexpectedExitReason() {
      if (isKilled || isRunning(service.pid)) return undefined;
      return service.logLines
        .slice(-5)
        .map((line) => JSON.stringify(line))
        .join('\n');
    },
    async stop() {
      await service.stop();
      await clientProxy.close();
      await databaseProxy.close();
    },
  };
}
