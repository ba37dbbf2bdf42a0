import { expect } from 'vitest';
import type { RequestOutcome } from '../testkit/checker/history.ts';
import { readStoredState } from '../testkit/checker/stored-state.ts';
import {
  nextKey,
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../testkit/events/sent-events.ts';
import type { ClientMessage, MessageMatcher, TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import { type CheckedTenant, newTenant, type ServiceEndpoint } from './fixtures.ts';

/** A request that the service stores in one transaction, completely or not at all. */
export interface FaultScenario {
  readonly name: string;
  /** Writes what the request needs. */
  prepare(target: ScenarioTarget): Promise<PreparedScenario>;
}

export interface ScenarioTarget {
  readonly databaseUrl: string;
  /** Read for each request. */
  readonly endpoint: ServiceEndpoint;
}

export interface PreparedScenario {
  readonly tenant: CheckedTenant;
  /** Sends the request once. */
  send(): Promise<ScenarioAnswer>;
  /** Sends the request until it is stored. */
  sendUntilDone(): Promise<void>;
  /** The number of the tenant's events in the database. */
  countStored(): Promise<number>;
}

export interface ScenarioAnswer {
  readonly outcome: RequestOutcome;
  readonly status: number;
  readonly reason?: string;
}

const event = (kind: string, payload: object): SentEvent => ({
  identityKey: nextKey(),
  kind,
  payload,
});

const empire = { empireId: 'e1', credits: 1_000 };
const location = { locationCoord: 'A00:01:01:01', empireId: 'e1' };
const order = { ...location, catalogKey: 'solar-plant' };

/** Everything that a batch can write: new, changed and deleted records, effects, a conflict. */
const everything = () => [
  putNote('n1', { title: 'A' }),
  patchNote('n2', { title: 'B' }),
  removeNote('n3'),
  event('structure.build', order),
  putNote('n2', { title: 'stale' }, { baseVersion: 1 }),
];

export const faultScenarios: readonly FaultScenario[] = [
  {
    name: 'the first batch of a tenant',
    prepare: async (target) => preparePush(target, [putNote('n1'), putNote('n2')], true),
  },
  {
    name: 'a batch that writes everything',
    async prepare(target) {
      const scenario = preparePush(target, everything());
      const founding = [event('empire.put', empire), event('location.put', location)];
      const notes = [putNote('n2'), putNote('n3'), patchNote('n2', { body: 'B' })];
      await scenario.pushBefore([...notes, ...founding]);
      // After a purge of tombstones, the transaction also reads the table of purged records.
      await withClient(target.databaseUrl, (client) =>
        client.query('UPDATE tenants SET horizon = 1 WHERE id = $1', [scenario.tenant.id]),
      );
      return scenario;
    },
  },
  { name: 'the resolution of a conflict', prepare: prepareResolution },
];

function preparePush(
  { databaseUrl, endpoint }: ScenarioTarget,
  events: readonly SentEvent[],
  atomic = false,
): PreparedScenario & { pushBefore(earlier: readonly SentEvent[]): Promise<void> } {
  const tenant = newTenant(databaseUrl);
  const device = tenant.device('laptop', endpoint);
  return {
    tenant,
    async pushBefore(earlier) {
      expect((await device.push(earlier)).answer?.failed).toEqual([]);
    },
    async send() {
      const request = await device.push(events, { atomic });
      const codes = request.answer?.failed.map(({ code }) => code) ?? [];
      expect(codes.filter((code) => code !== 'CONFLICT')).toEqual([]);
      return request;
    },
    async sendUntilDone() {
      expect(await device.drain()).toEqual([]);
    },
    countStored: () => countStoredEvents(databaseUrl, tenant),
  };
}

async function prepareResolution(target: ScenarioTarget): Promise<PreparedScenario> {
  const { databaseUrl, endpoint } = target;
  const tenant = newTenant(databaseUrl);
  const stale = putNote('n1', { title: 'stale' }, { baseVersion: 0 });
  await tenant.device('laptop', endpoint).push([putNote('n1'), stale]);
  const path = `/api/sync/conflicts/${encodeURIComponent(stale.identityKey)}/resolution`;
  const send = async (): Promise<ScenarioAnswer> => {
    const token = endpoint.token({ tenant: tenant.id });
    const resolved = fetch(endpoint.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ resolution: 'force' }),
    });
    return resolved.then(
      async (answer) => {
        const { code } = (await answer.json()) as { code?: string };
        const failure = code === 'COMMIT_UNKNOWN' ? 'unknown' : 'fail';
        const outcome = answer.status === 200 ? 'ok' : failure;
        return { outcome, status: answer.status, ...(code && { reason: code }) };
      },
      () => ({ outcome: 'unknown', status: 0 }),
    );
  };
  return {
    tenant,
    send,
    sendUntilDone: async () => expect(await send()).toMatchObject({ outcome: 'ok' }),
    countStored: () => countStoredEvents(databaseUrl, tenant),
  };
}

async function countStoredEvents(databaseUrl: string, { id }: CheckedTenant): Promise<number> {
  return (await readStoredState(databaseUrl, id)).log.length;
}

/** The endpoint of a service that a test may restart. Its tokens have the scopes of all bundled kinds. */
export const endpointOf = (service: () => ServiceProcess): ServiceEndpoint => ({
  get url() {
    return service().url;
  },
  token: (claims) => service().token({ scope: 'sync:push sync:pull colony:admin', ...claims }),
});

/** Matches the COMMIT of a transaction that has stored events. */
export const isCommitOfPush = ({ text, transaction }: ClientMessage) =>
  text === 'COMMIT' && transaction.some((earlier) => earlier.includes('INSERT INTO events'));

/**
 * Runs a scenario without a fault.
 *
 * @returns the statements of its transaction, from BEGIN to COMMIT, and the number of events that it stores
 */
export async function recordTransaction(
  scenario: FaultScenario,
  target: ScenarioTarget,
  network: TcpProxy,
) {
  const prepared = await scenario.prepare(target);
  const before = await prepared.countStored();
  const endRecording = network.record();
  expect(await prepared.send()).toMatchObject({ outcome: 'ok' });
  const { transaction: statements = [] } = endRecording().find(isCommitOfPush) ?? {};
  expect(statements.length).toBeGreaterThan(5);
  await prepared.tenant.expectNothingLost();
  return { statements, storedEvents: (await prepared.countStored()) - before };
}

/** Matches the statement at a position of a recorded transaction. */
export function statementAt(statements: readonly string[], index: number): MessageMatcher {
  return ({ text, transaction }) => transaction.length === index + 1 && text === statements[index];
}

/** The first words of a statement, for messages. */
export function firstWordsOf(statement: string | undefined): string {
  return (statement ?? '').trim().split(/\s+/).slice(0, 4).join(' ');
}
