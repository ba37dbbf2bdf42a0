import type { PoolClient, QueryResult } from 'pg';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import {
  runPipelined,
  StatementSkippedError,
  type StatementSender,
} from '../../src/postgres/client/pipeline.ts';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/tcp-proxy.ts';

let database: TestDatabase;
let proxy: TcpProxy;
beforeEach(async () => {
  database = await createDatabase();
  proxy = await startTcpProxy(database.url);
});
afterEach(async () => {
  await proxy.close();
  await database.drop();
});

async function connect({ preparedStatements = true, queryMs = 10_000 } = {}): Promise<PoolClient> {
  const pool = createPool({
    ...{ connectionString: proxy.url, max: 1, onIdleError: () => {}, preparedStatements },
    patience: { connectMs: 5_000, queryMs },
  });
  const client = await pool.connect();
  onTestFinished(async () => {
    client.release(true);
    await pool.end();
  });
  return client;
}

const fails = 'SELECT 1 / $1::int AS fraction';
const fraction = (trip: StatementSender, of: number) =>
  trip.query({ name: 'fraction', text: fails, values: [of] });
const count = (trip: StatementSender) =>
  trip.query({ name: 'count', text: `SELECT nextval('counter') AS counted` });
const series = {
  name: 'series',
  text: `SELECT n, '{"n": 1}'::json FROM generate_series(1, $1) AS n`,
};
const one = (trip: StatementSender) => trip.query({ name: 'one', text: 'SELECT 1 AS one' });

describe.each([
  ['by name', true],
  ['whole', false],
])('statements that are sent %s', (_how, preparedStatements) => {
  let client: PoolClient;
  beforeEach(async () => {
    client = await connect({ preparedStatements });
    await client.query('CREATE SEQUENCE counter');
  });

  test('are each answered with what they asked for, as the pool reads values', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const answers = await runPipelined(client, (trip) =>
        Promise.all([
          count(trip),
          trip.query({ ...series, values: [round], rowMode: 'array' }),
          trip.query({ name: 'none', text: 'SELECT FROM generate_series(1, 0)' }),
          trip.query({ name: 'begin', text: 'BEGIN' }),
          count(trip),
          trip.query({ name: 'commit', text: 'COMMIT' }),
        ]),
      );
      const rows = Array.from({ length: round }, (_, index) => [index + 1, '{"n": 1}']);
      expect(answers.map((answer) => [answer.command, answer.rows])).toEqual([
        ['SELECT', [{ counted: 2 * round - 1 }]],
        ['SELECT', rows],
        ['SELECT', []],
        ['BEGIN', []],
        ['SELECT', [{ counted: 2 * round }]],
        ['COMMIT', []],
      ]);
    }
  });

  test('share one round trip, and go out in the order in which they were asked for', async () => {
    await runPipelined(client, one);
    const [trips, ended] = [proxy.trips(), proxy.record()];
    await runPipelined(client, (trip) => Promise.all([one(trip), count(trip), fraction(trip, 1)]));
    expect(proxy.trips() - trips).toBe(1);
    expect(ended().map(({ text }) => text)).toEqual([
      'SELECT 1 AS one',
      `SELECT nextval('counter') AS counted`,
      fails,
    ]);
  });

  test('are passed over behind one that fails, whose error is thrown', async () => {
    const settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (trip) => {
      const sent = [one(trip), fraction(trip, 0), count(trip), fraction(trip, 1)];
      settled.push(...(await Promise.allSettled(sent)));
      return sent[3];
    });
    await expect(failing).rejects.toMatchObject({ code: '22012', message: 'division by zero' });
    const [first, failed, ...behind] = settled;
    expect(first).toMatchObject({ status: 'fulfilled', value: { rows: [{ one: 1 }] } });
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: '22012' } });
    for (const each of behind) {
      expect(each).toMatchObject({ status: 'rejected', reason: { cause: { code: '22012' } } });
      expect(each).toHaveProperty('reason', expect.any(StatementSkippedError));
    }
    expect((await runPipelined(client, count)).rows).toEqual([{ counted: 1 }]);
  });

  test('are answered again on the same connection after ROLLBACK, also those that were passed over', async () => {
    const failing = runPipelined(client, (trip) =>
      Promise.all([
        trip.query({ name: 'begin', text: 'BEGIN' }),
        fraction(trip, 0),
        one(trip),
        count(trip),
        trip.query({ name: 'commit', text: 'COMMIT' }),
      ]),
    );
    await expect(failing).rejects.toThrow('division by zero');
    await expect(runPipelined(client, one)).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
    const answers = await runPipelined(client, (trip) =>
      Promise.all([
        trip.query({ name: 'begin', text: 'BEGIN' }),
        one(trip),
        fraction(trip, 1),
        count(trip),
        trip.query({ name: 'commit', text: 'COMMIT' }),
      ]),
    );
    expect(answers.map(({ rows }) => rows)).toEqual([
      [],
      [{ one: 1 }],
      [{ fraction: 1 }],
      [{ counted: 1 }],
      [],
    ]);
    expect(answers[4].command).toBe('COMMIT');
  });

  test('may be no SQL at all, which fails the trip and nothing after it', async () => {
    for (let round = 0; round < 2; round += 1) {
      const failing = runPipelined(client, (trip) =>
        Promise.all([one(trip), trip.query({ name: 'no', text: 'SELEC 1' }), count(trip)]),
      );
      await expect(failing).rejects.toMatchObject({ code: '42601' });
    }
    expect((await runPipelined(client, count)).rows).toEqual([{ counted: 1 }]);
  });

  test('that were not answered fail as the connection does where it breaks', async () => {
    const answered = Promise.withResolvers<QueryResult>();
    const large = { name: 'large', text: `SELECT repeat('x', 100000) AS text` };
    const stopped = proxy.stopAt(fails);
    let settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (trip) => {
      // The second does not fit the server's buffer, which is sent before the trip's end.
      const sent = [one(trip), trip.query(large), fraction(trip, 1), count(trip)];
      void sent[0]?.then(answered.resolve);
      settled = await Promise.allSettled(sent);
      return Promise.all(sent);
    });
    const statement = await stopped;
    await answered.promise;
    statement.cut();
    await expect(failing).rejects.toMatchObject({ code: 'ECONNRESET' });
    const [first, ...rest] = settled;
    expect(first).toMatchObject({ status: 'fulfilled', value: { rows: [{ one: 1 }] } });
    for (const each of rest) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'ECONNRESET' } });
    }
    await expect(client.query('SELECT 1')).rejects.toThrow('connection error');
  });

  test('are known to be passed over where the connection had ended before', async () => {
    const ended = new Promise((resolve) => client.once('end', resolve));
    proxy.cut();
    await ended;
    let settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (trip) => {
      settled = await Promise.allSettled([one(trip), count(trip)]);
      const [first] = settled;
      if (first?.status === 'rejected') throw first.reason;
    });
    await expect(failing).rejects.toThrow('not queryable');
    const isNotReached = { status: 'rejected', reason: expect.any(StatementSkippedError) };
    expect(settled).toEqual([isNotReached, isNotReached]);
  });

  test('are not known to be passed over where the session was ended, which a pooler says as well', async () => {
    let settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (trip) => {
      const end = { name: 'end', text: 'SELECT pg_terminate_backend(pg_backend_pid())' };
      settled = await Promise.allSettled([one(trip), trip.query(end), count(trip)]);
      const [, ended] = settled;
      if (ended?.status === 'rejected') throw ended.reason;
    });
    await expect(failing).rejects.toMatchObject({ code: '57P01', severity: 'FATAL' });
    expect(settled).toMatchObject([
      { status: 'fulfilled', value: { rows: [{ one: 1 }] } },
      { status: 'rejected', reason: { code: '57P01' } },
      { status: 'rejected', reason: { code: '57P01' } },
    ]);
  });
});

test('a trip whose answer does not come in time fails, and its connection ends', async () => {
  const client = await connect({ queryMs: 300 });
  const ended = new Promise((resolve) => client.once('end', resolve));
  const failing = runPipelined(client, (trip) =>
    Promise.all([one(trip), trip.query({ text: 'SELECT pg_sleep(5)' }), one(trip)]),
  );
  await expect(failing).rejects.toThrow('Query read timeout');
  await ended;
  await expect(runPipelined(client, one)).rejects.toThrow(/not queryable|Connection terminated/);
});

test('a trip that is answered in time leaves no watch behind that would end its connection', async () => {
  const client = await connect({ queryMs: 300 });
  await runPipelined(client, one);
  await expect(runPipelined(client, (trip) => fraction(trip, 0))).rejects.toThrow(
    'division by zero',
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect((await runPipelined(client, one)).rows).toEqual([{ one: 1 }]);
});

test('of no statements nothing is sent', async () => {
  const client = await connect();
  const sent = vi.spyOn(client, 'query');
  expect(await runPipelined(client, async () => 'nothing')).toBe('nothing');
  expect(sent).not.toHaveBeenCalled();
});

test.each([
  ['by name are parsed once for a connection', true, ['fraction 3', 'one 3']],
  ['whole leave nothing to the connection', false, []],
])('statements that are sent %s', async (_what, preparedStatements, kept) => {
  const client = await connect({ preparedStatements });
  for (let round = 0; round < 3; round += 1) {
    await runPipelined(client, (trip) => Promise.all([one(trip), fraction(trip, 1)]));
  }
  const { rows } = await client.query(
    'SELECT name, custom_plans + generic_plans AS runs FROM pg_prepared_statements ORDER BY name',
  );
  expect(rows.map(({ name, runs }) => `${name} ${runs}`)).toEqual(kept);
});

test('a statement that is asked for once its trip has left is refused', async () => {
  const client = await connect();
  const late = runPipelined(client, async (trip) => {
    await one(trip);
    await one(trip);
  });
  await expect(late).rejects.toThrow('the trip has left, without one');
  expect((await runPipelined(client, one)).rows).toEqual([{ one: 1 }]);
});

test('a statement that pg refuses to send ends its connection, and no answer goes to another', async () => {
  const client = await connect();
  await runPipelined(client, one);
  const other = { name: 'one', text: 'SELECT 2 AS two' };
  const answers = await runPipelined(client, (trip) =>
    Promise.allSettled([trip.query(series), trip.query(other), count(trip)]),
  );
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await expect(runPipelined(client, one)).rejects.toThrow(/connection/i);
});
