import { expect, test } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import type { Kept } from '../testkit/tcp-proxy.ts';
import { withClient } from '../testkit/template.ts';
import { expectWholePool, pooled, terminate } from './backends.ts';
import { nthStatement, reads, statementsOf, unavailable } from './reads.ts';
import { entranceOf, isCommitOfPush, rehearse, scenarios, statementAt } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './stage.ts';

async function newStage() {
  const databaseUrl = await newDatabase();
  const network = await newProxy(databaseUrl);
  const service = await newService(network.url, pooled);
  const at = entranceOf(() => service);
  const end = async (kept: Promise<Kept>) => {
    const statement = await kept;
    await terminate(databaseUrl, statement.pid);
    statement.pass();
  };
  return { databaseUrl, network, at, end };
}

test.each(scenarios)(
  'fault 6: pg_terminate_backend at each statement of $name answers 503, and the pool is healthy afterwards',
  async (scenario) => {
    const stage = await newStage();
    const { statements, stores } = await rehearse(scenario, stage, stage.network);
    const said: unknown[] = [];
    for (const index of statements.keys()) {
      const act = await scenario.prepare(stage);
      const before = await act.stored();
      const ended = stage.end(stage.network.stopAt(statementAt(statements, index)));
      const { status, reason } = await act.ask();
      await ended;
      expect(status).toBe(503);
      said.push(reason);
      expect(await act.stored()).toBe(before);
      await act.finish();
      expect(await act.stored()).toBe(before + stores);
      await act.tenant.expectNothingLost();
    }
    // COMMIT goes out with the writes: from then on nobody knows.
    const codes = said.map((code) => (code === 'COMMIT_UNKNOWN' ? code : 'UNAVAILABLE'));
    expect(said).toEqual(codes);
    expect([said[0], said.at(-1)]).toEqual(['UNAVAILABLE', 'COMMIT_UNKNOWN']);
    await expectWholePool(stage);
  },
);

test('fault 6: pg_terminate_backend right after a COMMIT takes nothing back', async () => {
  const stage = await newStage();
  const tenant = newTenant(stage.databaseUrl);
  const device = tenant.device('laptop', stage.at);
  const ended = stage.end(stage.network.keepAnswerTo(isCommitOfPush));
  expect(await device.push([put('n1')])).toMatchObject({ outcome: 'ok' });
  await ended;
  await tenant.expectNothingLost();
  await expectWholePool(stage);
});

test('fault 6: pg_terminate_backend while a push waits for its lock answers 503', async () => {
  const stage = await newStage();
  const tenant = newTenant(stage.databaseUrl);
  const device = tenant.device('laptop', stage.at);
  await device.push([put('n1')]);
  await withClient(stage.databaseUrl, async (holder) => {
    await holder.query('BEGIN');
    await holder.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);
    const pushed = device.push([put('n2')]);
    const waiting = `SELECT pid FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    let pid: number | undefined;
    while (pid === undefined) pid = (await holder.query<{ pid: number }>(waiting)).rows[0]?.pid;
    await terminate(stage.databaseUrl, pid);
    expect(await pushed).toMatchObject({ status: 503, reason: 'UNAVAILABLE' });
  });
  expect(await device.drain()).toEqual([]);
  await tenant.expectNothingLost();
  await expectWholePool(stage);
});

test('fault 6: pg_terminate_backend at each statement of whatever is read answers 503, and the pool is healthy afterwards', async () => {
  const stage = await newStage();
  for (const read of reads) {
    const act = await read.prepare(stage);
    const gone = new Set<number>();
    for (const [index, statement] of (await statementsOf(act, stage.network)).entries()) {
      const stopped = stage.network.stopAt(nthStatement(index, gone));
      const ended = stage.end(stopped);
      const answer = await act.ask();
      await ended;
      gone.add((await stopped).passing.connection);
      expect({ ...answer, read, statement }).toEqual({ ...unavailable, read, statement });
    }
    await act.finish();
  }
  await expectWholePool(stage);
});
