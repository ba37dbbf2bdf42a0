import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { type PullAnswer, pullAnswerSchema } from '../../src/protocol/pull.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { createDevice, type Device } from '../testkit/checker/device.ts';
import { createHistory, type History } from '../testkit/checker/history.ts';
import { createPuller } from '../testkit/checker/puller.ts';
import { createDatabase } from '../testkit/database.ts';
import { type Service, startService } from '../testkit/service.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/tcp-proxy.ts';

// Each of these is for one test, and is gone when that has ended.

export async function newDatabase(): Promise<string> {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  return database.url;
}

/** A service process on a database. */
export async function newService(
  databaseUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const dataDir = await mkdtemp(join(tmpdir(), 'landfall-fault-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const service = await startService({ dataDir, env: { DATABASE_URL: databaseUrl, ...env } });
  onTestFinished(() => service.kill());
  return service;
}

/** A network that fails on demand before a server, PostgreSQL or a service. */
export async function newProxy(target: string | number): Promise<TcpProxy> {
  const proxy = await startTcpProxy(target);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Where a client finds the service, and what signs its tokens. */
export type Entrance = Pick<Service, 'url' | 'token'>;

/** A tenant that nobody else knows. */
export interface StagedTenant {
  readonly id: string;
  readonly history: History;
  /** @param at asked at each request; @param clock in milliseconds since 1970 */
  device(name: string, at: Entrance, clock?: () => number): Device;
  /** A client that only pulls, whose pages the test looks at. */
  reader(at: Entrance): (limit: number) => Promise<PullAnswer>;
  /** One push past the checker's books, as it is answered. */
  push(at: Entrance, events: readonly unknown[]): Promise<Response>;
  /** The checker, over all its devices. */
  expectNothingLost(): Promise<void>;
}

/** For what hangs. */
const timeoutMs = 30_000;

/** @param databaseUrl past every proxy, as who may see all tenants */
export function newTenant(databaseUrl: string): StagedTenant {
  const id = `tenant-${randomUUID()}`;
  const history = createHistory();
  const devices: Device[] = [];
  const headersFor = ({ token }: Entrance, device: string) => ({
    authorization: `Bearer ${token({ tenant: id, device })}`,
    'content-type': 'application/json',
  });

  return {
    id,
    history,
    device(name, at, clock) {
      const device = createDevice({
        history,
        name,
        url: () => at.url,
        token: () => at.token({ tenant: id, device: name }),
        timeoutMs,
        ...(clock && { clock }),
      });
      devices.push(device);
      return device;
    },
    reader(at) {
      const puller = createPuller();
      return async (limit) => {
        const query = new URLSearchParams({ limit: `${limit}` });
        if (puller.since !== undefined) query.set('since', puller.since);
        const answer = await fetch(`${at.url}/api/sync/changes?${query.toString()}`, {
          headers: headersFor(at, 'reader'),
          signal: AbortSignal.timeout(timeoutMs),
        });
        const page = pullAnswerSchema.parse(await answer.json());
        expect(puller.apply(page, limit)).toEqual([]);
        return page;
      };
    },
    push: (at, events) =>
      fetch(`${at.url}/api/sync/events?include=results`, {
        method: 'POST',
        headers: headersFor(at, 'outsider'),
        signal: AbortSignal.timeout(timeoutMs),
        body: JSON.stringify({ events }),
      }),
    async expectNothingLost() {
      await expectNothingLost({ databaseUrl, tenant: id, history, devices });
    },
  };
}
