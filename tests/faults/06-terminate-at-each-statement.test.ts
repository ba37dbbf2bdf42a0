import { expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import type { HeldMessage } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { expectHealthyPool, smallPoolEnv, terminateBackend } from './backends.ts';
import { newDatabase, newProxy, newService, newTenant } from './fixtures.ts';
import { nthStatement, readScenarios, recordStatements, unavailableAnswer } from './reads.ts';
import {
  endpointOf,
  faultScenarios,
  isCommitOfPush,
  recordTransaction,
  statementAt,
} from './scenarios.ts';

async function newTarget() {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url, smallPoolEnv);
  const endpoint = endpointOf(() => service);
  /** Terminates the backend of a held statement, and lets the statement continue. */
  const terminateAt = async (held: Promise<HeldMessage>) => {
    const statement = await held;
    await terminateBackend(databaseUrl, statement.backendPid);
    statement.release();
  };
  return { databaseUrl, network, endpoint, terminateAt };
}

test.each(faultScenarios)(
  'fault 6: pg_terminate_backend at each statement of $name is answered 503, and the pool stays healthy',
  async (scenario) => {
    const target = await newTarget();
    const { network, terminateAt } = target;
    const { statements, storedEvents } = await recordTransaction(scenario, target, network);
    const reasons: unknown[] = [];
    for (const index of statements.keys()) {
      const prepared = await scenario.prepare(target);
      const before = await prepared.countStored();
      const terminated = terminateAt(network.holdRequest(statementAt(statements, index)));
      const { status, reason } = await prepared.send();
      await terminated;
      expect(status).toBe(503);
      reasons.push(reason);
      expect(await prepared.countStored()).toBe(before);
      await prepared.sendUntilDone();
      expect(await prepared.countStored()).toBe(before + storedEvents);
      await prepared.tenant.expectNothingLost();
    }
    // The COMMIT is sent together with the writes. From then on its result is unknown.
    const codes = reasons.map((code) => (code === 'COMMIT_UNKNOWN' ? code : 'UNAVAILABLE'));
    expect(reasons).toEqual(codes);
    expect([reasons[0], reasons.at(-1)]).toEqual(['UNAVAILABLE', 'COMMIT_UNKNOWN']);
    await expectHealthyPool(target);
  },
);

test('fault 6: pg_terminate_backend right after a COMMIT does not undo the push', async () => {
  const target = await newTarget();
  const tenant = newTenant(target.databaseUrl);
  const device = tenant.device('laptop', target.endpoint);
  const terminated = target.terminateAt(target.network.holdAnswerTo(isCommitOfPush));
  expect(await device.push([putNote('n1')])).toMatchObject({ outcome: 'ok' });
  await terminated;
  await tenant.expectNothingLost();
  await expectHealthyPool(target);
});

test('fault 6: pg_terminate_backend while a push waits for its lock is answered 503', async () => {
  const target = await newTarget();
  const tenant = newTenant(target.databaseUrl);
  const device = tenant.device('laptop', target.endpoint);
  await device.push([putNote('n1')]);
  await withClient(target.databaseUrl, async (lockHolder) => {
    await lockHolder.query('BEGIN');
    await lockHolder.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);
    const pushed = device.push([putNote('n2')]);
    const waiting = `SELECT pid FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    let pid: number | undefined;
    while (pid === undefined) pid = (await lockHolder.query<{ pid: number }>(waiting)).rows[0]?.pid;
    await terminateBackend(target.databaseUrl, pid);
    expect(await pushed).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
  });
  expect(await device.drain()).toEqual([]);
  await tenant.expectNothingLost();
  await expectHealthyPool(target);
});

test('fault 6: pg_terminate_backend at each statement of a read is answered 503, and the pool stays healthy', async () => {
  const target = await newTarget();
  const { network, terminateAt } = target;
  for (const read of readScenarios) {
    const prepared = await read.prepare(target);
    const brokenConnections = new Set<number>();
    for (const [index, statement] of (await recordStatements(prepared, network)).entries()) {
      const held = network.holdRequest(nthStatement(index, brokenConnections));
      const terminated = terminateAt(held);
      const answer = await prepared.send();
      await terminated;
      brokenConnections.add((await held).message.connection);
      const context = { read: read.name, statement };
      expect({ ...answer, ...context }).toEqual({ ...unavailableAnswer, ...context });
    }
    await prepared.sendUntilDone();
  }
  await expectHealthyPool(target);
});
