import { expect } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import type { MessageMatcher, TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { newTenant } from './fixtures.ts';
import type { PreparedScenario, ScenarioAnswer, ScenarioTarget } from './scenarios.ts';

/** A request that changes nothing. */
export interface ReadScenario {
  readonly name: string;
  prepare(target: ScenarioTarget): Promise<PreparedRead>;
}

export type PreparedRead = Pick<PreparedScenario, 'send' | 'sendUntilDone'>;

/** @param pathOf gets the identityKey of the tenant's only conflict, and the tenant's newest checkpoint */
function readOf(
  name: string,
  pathOf: (conflictKey: string, checkpoint: string) => string,
): ReadScenario {
  return {
    name,
    async prepare({ databaseUrl, endpoint }) {
      const tenant = newTenant(databaseUrl);
      const stale = putNote('n1', { title: 'B' }, { baseVersion: 0 });
      await tenant.device('laptop', endpoint).push([putNote('n1'), stale]);
      const headers = { authorization: `Bearer ${endpoint.token({ tenant: tenant.id })}` };
      const pulled = await fetch(`${endpoint.url}/api/sync/changes`, { headers });
      const { checkpoint } = (await pulled.json()) as { checkpoint: string };
      const send = async (): Promise<ScenarioAnswer> => {
        const path = pathOf(encodeURIComponent(stale.identityKey), checkpoint);
        const url = `${endpoint.url}/api/sync/${path}`;
        const answer = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) });
        const { code } = (await answer.json()) as { code?: string };
        const { status } = answer;
        return { outcome: status === 200 ? 'ok' : 'fail', status, ...(code && { reason: code }) };
      };
      return {
        send,
        async sendUntilDone() {
          expect(await send()).toEqual({ outcome: 'ok', status: 200 });
          await tenant.expectNothingLost();
        },
      };
    },
  };
}

export const readScenarios: readonly ReadScenario[] = [
  readOf('a pull', () => 'changes'),
  readOf('a poll', (_key, checkpoint) => `changes?since=${checkpoint}`),
  readOf('a list of conflicts', () => 'conflicts'),
  readOf('one conflict', (key) => `conflicts/${key}`),
  readOf("an entity's history", () => 'entities/note/n1/events'),
  readOf('receipts', (key) => `receipts?identityKeys=${key}`),
];

/** The answer to a read that meets a fault. */
export const unavailableAnswer: ScenarioAnswer = {
  outcome: 'fail',
  status: 503,
  reason: 'UNAVAILABLE',
};

/** Sends the read without a fault. @returns the statements that the service has sent for it */
export async function recordStatements(
  { send }: Pick<PreparedRead, 'send'>,
  network: TcpProxy,
): Promise<readonly string[]> {
  const endRecording = network.record();
  expect(await send()).toMatchObject({ outcome: 'ok' });
  const statements = endRecording().map(({ text }) => text);
  expect(statements.length).toBeGreaterThan(0);
  return statements;
}

/** Matches the statement number `index`, from 0. @param brokenConnections whose statements are not counted */
export function nthStatement(
  index: number,
  brokenConnections: ReadonlySet<number> = new Set(),
): MessageMatcher {
  let last = -1;
  return ({ connection }) => {
    if (brokenConnections.has(connection)) return false;
    last += 1;
    return last === index;
  };
}
