import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { type PullAnswer, pullAnswerSchema } from '../../src/protocol/pull.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { createDevice, type Device } from '../testkit/checker/device.ts';
import { createHistory, type History } from '../testkit/checker/history.ts';
import { createPuller } from '../testkit/checker/puller.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { connectClient } from '../testkit/postgres/client.ts';
import { createDatabase } from '../testkit/postgres/test-database.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';
import { openStage } from '../testkit/processes/stage.ts';

// Each function starts something for the test that calls it. It is stopped or removed when the test has ended.

/** @returns the URL of a new database with the schema */
export async function newDatabase(): Promise<string> {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  return database.url;
}

/** A connection to the database that bypasses the service and every proxy. */
export async function newClient(databaseUrl: string): Promise<pg.Client> {
  const client = await connectClient(databaseUrl);
  onTestFinished(() => client.end());
  return client;
}

/** A service process on a database. */
export async function newService(
  databaseUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServiceProcess> {
  const stage = await openStage('fault');
  onTestFinished(() => stage.close());
  const settings = { DATABASE_URL: databaseUrl, ...env };
  const service = await startService({ dataDir: stage.folder, env: settings });
  stage.add({ stop: () => service.kill() });
  return service;
}

/** A proxy in front of PostgreSQL or a service. */
export async function newProxy(target: string | number): Promise<TcpProxy> {
  const proxy = await startTcpProxy(target);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** The URL of a service, and the function that signs its tokens. */
export type ServiceEndpoint = Pick<ServiceProcess, 'url' | 'token'>;

/** A tenant that only one test uses. Its devices record their pushes for the checker. */
export interface CheckedTenant {
  readonly id: string;
  readonly history: History;
  /**
   * A new client of the tenant.
   *
   * @param endpoint read for each request, so that the device follows a service that moves
   * @param clock the device's clock, in milliseconds since 1970
   */
  device(name: string, endpoint: ServiceEndpoint, clock?: () => number): Device;
  /** A client that only pulls. @returns pulls the next page. @throws AssertionError where a page is malformed */
  reader(endpoint: ServiceEndpoint): (limit: number) => Promise<PullAnswer>;
  /** Pushes without adding the request to the history. */
  push(endpoint: ServiceEndpoint, events: readonly unknown[]): Promise<Response>;
  /** Runs the checker with all devices of the tenant. @throws Error with all violations */
  expectNothingLost(): Promise<void>;
}

/** The time after which a client gives up a request. */
const timeoutMs = 30_000;

/** @param databaseUrl the database's URL without a proxy, for a role that sees every tenant */
export function newTenant(databaseUrl: string): CheckedTenant {
  const id = `tenant-${randomUUID()}`;
  const history = createHistory();
  const devices: Device[] = [];
  const headersFor = ({ token }: ServiceEndpoint, device: string) => ({
    authorization: `Bearer ${token({ tenant: id, device })}`,
    'content-type': 'application/json',
  });

  return {
    id,
    history,
    device(name, endpoint, clock) {
      const device = createDevice({
        history,
        name,
        url: () => endpoint.url,
        token: () => endpoint.token({ tenant: id, device: name }),
        timeoutMs,
        ...(clock && { clock }),
      });
      devices.push(device);
      return device;
    },
    reader(endpoint) {
      const puller = createPuller();
      return async (limit) => {
        const query = new URLSearchParams({ limit: `${limit}` });
        if (puller.since !== undefined) query.set('since', puller.since);
        const answer = await fetch(`${endpoint.url}/api/sync/changes?${query.toString()}`, {
          headers: headersFor(endpoint, 'reader'),
          signal: AbortSignal.timeout(timeoutMs),
        });
        const page = pullAnswerSchema.parse(await answer.json());
        expect(puller.apply(page, limit)).toEqual([]);
        return page;
      };
    },
    push: (endpoint, events) =>
      fetch(`${endpoint.url}/api/sync/events?include=results`, {
        method: 'POST',
        headers: headersFor(endpoint, 'outsider'),
        signal: AbortSignal.timeout(timeoutMs),
        body: JSON.stringify({ events }),
      }),
    async expectNothingLost() {
      await expectNothingLost({ databaseUrl, tenant: id, history, devices });
    },
  };
}
