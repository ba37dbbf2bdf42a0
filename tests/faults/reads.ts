import { expect } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import type { Match, TcpProxy } from '../testkit/tcp-proxy.ts';
import type { Act, Answer, Stage } from './scenarios.ts';
import { newTenant } from './stage.ts';

/** Something that a client looks up, and that changes nothing. */
export interface Read {
  readonly name: string;
  prepare(stage: Stage): Promise<Pick<Act, 'ask' | 'finish'>>;
}

/** @param pathOf of the tenant's one conflict, by its key, or of what comes after its newest checkpoint */
function reading(name: string, pathOf: (key: string, checkpoint: string) => string): Read {
  return {
    name,
    async prepare({ databaseUrl, at }) {
      const tenant = newTenant(databaseUrl);
      const stale = put('n1', { title: 'B' }, { baseVersion: 0 });
      await tenant.device('laptop', at).push([put('n1'), stale]);
      const headers = { authorization: `Bearer ${at.token({ tenant: tenant.id })}` };
      const pulled = await fetch(`${at.url}/api/sync/changes`, { headers });
      const { checkpoint } = (await pulled.json()) as { checkpoint: string };
      const ask = async (): Promise<Answer> => {
        const path = pathOf(encodeURIComponent(stale.identityKey), checkpoint);
        const url = `${at.url}/api/sync/${path}`;
        const answer = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) });
        const { code } = (await answer.json()) as { code?: string };
        const { status } = answer;
        return { outcome: status === 200 ? 'ok' : 'fail', status, ...(code && { reason: code }) };
      };
      return {
        ask,
        async finish() {
          expect(await ask()).toEqual({ outcome: 'ok', status: 200 });
          await tenant.expectNothingLost();
        },
      };
    },
  };
}

export const reads: readonly Read[] = [
  reading('a pull', () => 'changes'),
  reading('a poll', (_key, checkpoint) => `changes?since=${checkpoint}`),
  reading('a list of conflicts', () => 'conflicts'),
  reading('one conflict', (key) => `conflicts/${key}`),
  reading("an entity's history", () => 'entities/note/n1/events'),
  reading('receipts', (key) => `receipts?identityKeys=${key}`),
];

/** What a read is answered that met the fault. */
export const unavailable: Answer = { outcome: 'fail', status: 503, reason: 'UNAVAILABLE' };

/** What was really sent for it. */
export async function statementsOf(
  { ask }: Pick<Act, 'ask'>,
  network: TcpProxy,
): Promise<readonly string[]> {
  const end = network.record();
  expect(await ask()).toMatchObject({ outcome: 'ok' });
  const statements = end().map(({ text }) => text);
  expect(statements.length).toBeGreaterThan(0);
  return statements;
}

/** The one that comes after so many, of connections that are not gone. */
export function nthStatement(index: number, gone: ReadonlySet<number> = new Set()): Match {
  let passed = -1;
  return ({ connection }) => !gone.has(connection) && (passed += 1) === index;
}
