import { expect } from 'vitest';
import type { Outcome } from '../testkit/checker/history.ts';
import { readStored } from '../testkit/checker/stored.ts';
import { nextKey, patch, put, remove, type SentEvent } from '../testkit/oracle/events.ts';
import type { Service } from '../testkit/service.ts';
import type { Match, Passing, TcpProxy } from '../testkit/tcp-proxy.ts';
import { withClient } from '../testkit/template.ts';
import { type Entrance, newTenant, type StagedTenant } from './stage.ts';

/** Something that a client asks for and that is stored in one transaction, all or nothing. */
export interface Scenario {
  readonly name: string;
  /** Makes what it needs. @returns what asks for it */
  prepare(stage: Stage): Promise<Act>;
}

export interface Stage {
  readonly databaseUrl: string;
  /** Where the service is at the time of each request. */
  readonly at: Entrance;
}

export interface Act {
  readonly tenant: StagedTenant;
  /** Asks once. */
  ask(): Promise<Answer>;
  /** Asks again until it is done. */
  finish(): Promise<void>;
  /** Events of the tenant that the database holds. */
  stored(): Promise<number>;
}

export interface Answer {
  readonly outcome: Outcome;
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
  put('n1', { title: 'A' }),
  patch('n2', { title: 'B' }),
  remove('n3'),
  event('structure.build', order),
  put('n2', { title: 'stale' }, { baseVersion: 1 }),
];

export const scenarios: readonly Scenario[] = [
  {
    name: 'the first batch of a tenant',
    prepare: async (stage) => pushing(stage, () => [put('n1'), put('n2')], true),
  },
  {
    name: 'a batch that writes everything',
    async prepare(stage) {
      const act = pushing(stage, everything);
      const founding = [event('empire.put', empire), event('location.put', location)];
      await act.before([put('n2'), put('n3'), patch('n2', { body: 'B' }), ...founding]);
      // Once tombstones were purged, it also looks for what they left.
      await withClient(stage.databaseUrl, (client) =>
        client.query('UPDATE tenants SET horizon = 1 WHERE id = $1', [act.tenant.id]),
      );
      return act;
    },
  },
  { name: 'the settling of a conflict', prepare: settling },
];

function pushing(
  { databaseUrl, at }: Stage,
  eventsOf: () => readonly SentEvent[],
  atomic = false,
): Act & { before(events: readonly SentEvent[]): Promise<void> } {
  const tenant = newTenant(databaseUrl);
  const device = tenant.device('laptop', at);
  const events = eventsOf();
  return {
    tenant,
    async before(earlier) {
      expect((await device.push(earlier)).answer?.failed).toEqual([]);
    },
    async ask() {
      const request = await device.push(events, { atomic });
      const codes = request.answer?.failed.map(({ code }) => code) ?? [];
      expect(codes.filter((code) => code !== 'CONFLICT')).toEqual([]);
      return request;
    },
    async finish() {
      expect(await device.drain()).toEqual([]);
    },
    stored: () => countStored(databaseUrl, tenant),
  };
}

async function settling(stage: Stage): Promise<Act> {
  const { databaseUrl, at } = stage;
  const tenant = newTenant(databaseUrl);
  const stale = put('n1', { title: 'stale' }, { baseVersion: 0 });
  await tenant.device('laptop', at).push([put('n1'), stale]);
  const path = `/api/sync/conflicts/${encodeURIComponent(stale.identityKey)}/resolution`;
  const ask = async (): Promise<Answer> => {
    const token = at.token({ tenant: tenant.id });
    const settled = fetch(at.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ resolution: 'force' }),
    });
    return settled.then(
      async (answer) => {
        const { code } = (await answer.json()) as { code?: string };
        const unknown = code === 'COMMIT_UNKNOWN' ? 'unknown' : 'fail';
        const outcome = answer.status === 200 ? 'ok' : unknown;
        return { outcome, status: answer.status, ...(code && { reason: code }) };
      },
      () => ({ outcome: 'unknown', status: 0 }),
    );
  };
  return {
    tenant,
    ask,
    finish: async () => expect(await ask()).toMatchObject({ outcome: 'ok' }),
    stored: () => countStored(databaseUrl, tenant),
  };
}

async function countStored(databaseUrl: string, { id }: StagedTenant): Promise<number> {
  return (await readStored(databaseUrl, id)).log.length;
}

/** Where a service is that may be started again in the course of a test, for who may send all kinds. */
export const entranceOf = (service: () => Service): Entrance => ({
  get url() {
    return service().url;
  },
  token: (claims) => service().token({ scope: 'sync:push sync:pull colony:admin', ...claims }),
});

/** The COMMIT of a transaction that stored events; there are others. */
export const isCommitOfPush = ({ text, transaction }: Passing) =>
  text === 'COMMIT' && transaction.some((earlier) => earlier.includes('INSERT INTO events'));

/** The statements that were really sent for it, from BEGIN to COMMIT, and how much it stored. */
export async function rehearse(scenario: Scenario, stage: Stage, network: TcpProxy) {
  const act = await scenario.prepare(stage);
  const before = await act.stored();
  const end = network.record();
  expect(await act.ask()).toMatchObject({ outcome: 'ok' });
  const { transaction: statements = [] } = end().find(isCommitOfPush) ?? {};
  expect(statements.length).toBeGreaterThan(5);
  await act.tenant.expectNothingLost();
  return { statements, stores: (await act.stored()) - before };
}

/** The one at that place of the transaction. */
export function statementAt(statements: readonly string[], at: number): Match {
  return ({ text, transaction }) => transaction.length === at + 1 && text === statements[at];
}

/** A statement's first words, for whoever reads of it. */
export function nameOf(statement: string | undefined): string {
  return (statement ?? '').trim().split(/\s+/).slice(0, 4).join(' ');
}
