import type { PoolClient, QueryResult } from 'pg';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createPool } from '../../src/postgres/client/pool.ts';
import {
  runPipelined,
  StatementSkippedError,
  type StatementSender,
} from '../../src/postgres/client/pipeline.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/network/tcp-proxy.ts';

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
    timeouts: { connectMs: 5_000, queryMs },
  });
  const client = await pool.connect();
  onTestFinished(async () => {
    client.release(true);
    await pool.end();
  });
  return client;
}

const fractionText = 'SELECT 1 / $1::int AS fraction';
const fraction = (sender: StatementSender, divisor: number) =>
  sender.query({ name: 'fraction', text: fractionText, values: [divisor] });
const count = (sender: StatementSender) =>
  sender.query({ name: 'count', text: `SELECT nextval('counter') AS counted` });
const series = {
  name: 'series',
  text: `SELECT n, '{"n": 1}'::json FROM generate_series(1, $1) AS n`,
};
const one = (sender: StatementSender) => sender.query({ name: 'one', text: 'SELECT 1 AS one' });

describe.each([
  ['as prepared statements', true],
  ['with their texts', false],
])('statements of a pipeline that are sent %s', (_how, preparedStatements) => {
  let client: PoolClient;
  beforeEach(async () => {
    client = await connect({ preparedStatements });
    await client.query('CREATE SEQUENCE counter');
  });

  test('get their own results, with values parsed as by the pool', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const answers = await runPipelined(client, (sender) =>
        Promise.all([
          count(sender),
          sender.query({ ...series, values: [round], rowMode: 'array' }),
          sender.query({ name: 'none', text: 'SELECT FROM generate_series(1, 0)' }),
          sender.query({ name: 'begin', text: 'BEGIN' }),
          count(sender),
          sender.query({ name: 'commit', text: 'COMMIT' }),
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

  test('share one round sender, in the order of the calls', async () => {
    await runPipelined(client, one);
    const roundTripsBefore = proxy.roundTrips();
    const stopRecording = proxy.record();
    await runPipelined(client, (sender) =>
      Promise.all([one(sender), count(sender), fraction(sender, 1)]),
    );
    expect(proxy.roundTrips() - roundTripsBefore).toBe(1);
    expect(stopRecording().map(({ text }) => text)).toEqual([
      'SELECT 1 AS one',
      `SELECT nextval('counter') AS counted`,
      fractionText,
    ]);
  });

  test('are skipped after one that fails, and the error of that one is thrown', async () => {
    const settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (sender) => {
      const sent = [one(sender), fraction(sender, 0), count(sender), fraction(sender, 1)];
      settled.push(...(await Promise.allSettled(sent)));
      return sent[3];
    });
    await expect(failing).rejects.toMatchObject({ code: '22012', message: 'division by zero' });
    const [first, failed, ...later] = settled;
    expect(first).toMatchObject({ status: 'fulfilled', value: { rows: [{ one: 1 }] } });
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: '22012' } });
    for (const each of later) {
      expect(each).toMatchObject({ status: 'rejected', reason: { cause: { code: '22012' } } });
      expect(each).toHaveProperty('reason', expect.any(StatementSkippedError));
    }
    expect((await runPipelined(client, count)).rows).toEqual([{ counted: 1 }]);
  });

  test('run on the same connection again after ROLLBACK, also the statements that were skipped', async () => {
    const failing = runPipelined(client, (sender) =>
      Promise.all([
        sender.query({ name: 'begin', text: 'BEGIN' }),
        fraction(sender, 0),
        one(sender),
        count(sender),
        sender.query({ name: 'commit', text: 'COMMIT' }),
      ]),
    );
    await expect(failing).rejects.toThrow('division by zero');
    await expect(runPipelined(client, one)).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
    const answers = await runPipelined(client, (sender) =>
      Promise.all([
        sender.query({ name: 'begin', text: 'BEGIN' }),
        one(sender),
        fraction(sender, 1),
        count(sender),
        sender.query({ name: 'commit', text: 'COMMIT' }),
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

  test('fail with the pipeline where one of them is no SQL, and the next pipeline succeeds', async () => {
    for (let round = 0; round < 2; round += 1) {
      const failing = runPipelined(client, (sender) =>
        Promise.all([one(sender), sender.query({ name: 'no', text: 'SELEC 1' }), count(sender)]),
      );
      await expect(failing).rejects.toMatchObject({ code: '42601' });
    }
    expect((await runPipelined(client, count)).rows).toEqual([{ counted: 1 }]);
  });

  test('fail with the error of the connection where it breaks before their answers', async () => {
    const answered = Promise.withResolvers<QueryResult>();
    const large = { name: 'large', text: `SELECT repeat('x', 100000) AS text` };
    const stopped = proxy.holdRequest(fractionText);
    let settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (sender) => {
      // The second result exceeds the server's buffer, so the server sends it before the pipeline ends.
      const sent = [one(sender), sender.query(large), fraction(sender, 1), count(sender)];
      void sent[0]?.then(answered.resolve);
      settled = await Promise.allSettled(sent);
      return Promise.all(sent);
    });
    const statement = await stopped;
    await answered.promise;
    statement.reset();
    await expect(failing).rejects.toMatchObject({ code: 'ECONNRESET' });
    const [first, ...rest] = settled;
    expect(first).toMatchObject({ status: 'fulfilled', value: { rows: [{ one: 1 }] } });
    for (const each of rest) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'ECONNRESET' } });
    }
    await expect(client.query('SELECT 1')).rejects.toThrow('connection error');
  });

  test('reject as skipped where the connection had ended before they were sent', async () => {
    const ended = new Promise((resolve) => client.once('end', resolve));
    proxy.resetConnections();
    await ended;
    let settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (sender) => {
      settled = await Promise.allSettled([one(sender), count(sender)]);
      const [first] = settled;
      if (first?.status === 'rejected') throw first.reason;
    });
    await expect(failing).rejects.toThrow('not queryable');
    const isSkipped = { status: 'rejected', reason: expect.any(StatementSkippedError) };
    expect(settled).toEqual([isSkipped, isSkipped]);
  });

  test('do not reject as skipped where the session ended, because a pooler may report that too', async () => {
    let settled: PromiseSettledResult<unknown>[] = [];
    const failing = runPipelined(client, async (sender) => {
      const end = { name: 'end', text: 'SELECT pg_terminate_backend(pg_backend_pid())' };
      settled = await Promise.allSettled([one(sender), sender.query(end), count(sender)]);
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

test('a pipeline whose answer does not come in time fails, and its connection ends', async () => {
  const client = await connect({ queryMs: 300 });
  const ended = new Promise((resolve) => client.once('end', resolve));
  const failing = runPipelined(client, (sender) =>
    Promise.all([one(sender), sender.query({ text: 'SELECT pg_sleep(5)' }), one(sender)]),
  );
  await expect(failing).rejects.toThrow('Query read timeout');
  await ended;
  await expect(runPipelined(client, one)).rejects.toThrow(/not queryable|Connection terminated/);
});

test('the timeout of a pipeline that was answered does not end the connection later', async () => {
  const client = await connect({ queryMs: 300 });
  await runPipelined(client, one);
  await expect(runPipelined(client, (sender) => fraction(sender, 0))).rejects.toThrow(
    'division by zero',
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect((await runPipelined(client, one)).rows).toEqual([{ one: 1 }]);
});

test('a pipeline without statements sends nothing', async () => {
  const client = await connect();
  const sent = vi.spyOn(client, 'query');
  expect(await runPipelined(client, async () => 'nothing')).toBe('nothing');
  expect(sent).not.toHaveBeenCalled();
});

test.each([
  ['as prepared statements are parsed once for each connection', true, ['fraction 3', 'one 3']],
  ['with their texts are not kept by the server', false, []],
])('statements that are sent %s', async (_what, preparedStatements, kept) => {
  const client = await connect({ preparedStatements });
  for (let round = 0; round < 3; round += 1) {
    await runPipelined(client, (sender) => Promise.all([one(sender), fraction(sender, 1)]));
  }
  const { rows } = await client.query(
    'SELECT name, custom_plans + generic_plans AS runs FROM pg_prepared_statements ORDER BY name',
  );
  expect(rows.map(({ name, runs }) => `${name} ${runs}`)).toEqual(kept);
});

test('a statement is refused after its pipeline was sent', async () => {
  const client = await connect();
  const late = runPipelined(client, async (sender) => {
    await one(sender);
    await one(sender);
  });
  await expect(late).rejects.toThrow('the pipeline was sent without statement one');
  expect((await runPipelined(client, one)).rows).toEqual([{ one: 1 }]);
});

test('a statement that pg refuses to send ends the connection, so that no answer goes to a wrong statement', async () => {
  const client = await connect();
  await runPipelined(client, one);
  const other = { name: 'one', text: 'SELECT 2 AS two' };
  const answers = await runPipelined(client, (sender) =>
    Promise.allSettled([sender.query(series), sender.query(other), count(sender)]),
  );
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await expect(runPipelined(client, one)).rejects.toThrow(/connection/i);
});
