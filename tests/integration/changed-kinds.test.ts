import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { checkShippedSchemas } from '../../src/service/check-kind-schemas.ts';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { entityType, recordData } from '../../src/domain/kinds/record-versions.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { type Database, openDatabase } from '../../src/postgres/database.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

const hooks = { onMigrated: () => {}, onIdleError: () => {}, onRetry: () => {} };

let database: TestDatabase;
let processes: readonly Database[];
beforeEach(async () => {
  database = await createDatabase();
  const open = () => openDatabase({ connectionString: database.url, poolSize: 2, hooks });
  processes = await Promise.all([open(), open(), open()]);
});
afterEach(async () => {
  await Promise.all(processes.map((one) => one.close()));
  await database.drop();
});

const title = (max: number) => z.strictObject({ id: z.string(), title: z.string().max(max) });
const task = title(300);

/** A kind of these payload versions, about an entity type of these versions of its data. */
function kindsOf(payloads: readonly z.ZodType[], data: readonly z.ZodType<object>[] = []) {
  const [first = task, ...others] = payloads;
  const [firstData, ...otherData] = data;
  const lift = () => ({});
  const kind = defineKind({
    name: 'task.put',
    entityType: firstData
      ? entityType(
          'task',
          otherData.reduce((all, next) => all.next(next, lift), recordData(firstData)),
        )
      : 'task',
    payload: others.reduce((all, next) => all.next(next, lift), payload(first)),
    entityId: () => 'a',
    policy: put(() => ({})),
  });
  return createRegistry([kind]);
}

/** What a start says: the warnings that it logs, or why it does not run. */
async function start(
  kinds: ReturnType<typeof kindsOf>,
  changedKinds: 'refuse' | 'warn' = 'refuse',
  index = 0,
): Promise<readonly object[] | string> {
  const warnings: object[] = [];
  const { kindSchemas } = processes[index] ?? {};
  if (!kindSchemas) throw new Error('no such process');
  const log = { warn: (fields: object) => void warnings.push(fields) };
  return checkShippedSchemas(kinds, kindSchemas, { changedKinds, log }).then(
    () => warnings,
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

const seen = () =>
  withClient(database.url, async (client) => {
    const text = `SELECT schema_of || ' ' || name || ' ' || version AS schema FROM kind_schemas`;
    const { rows } = await client.query<{ schema: string }>(text);
    return rows.map(({ schema }) => schema).toSorted();
  });

test('kinds that are as they were, and new versions, start without a word', async () => {
  expect(await start(kindsOf([task]))).toEqual([]);
  expect(await start(kindsOf([task]))).toEqual([]);
  expect(await start(kindsOf([task, title(200)], [title(9)]))).toEqual([]);
  expect(await start(kindsOf([task]))).toEqual([]);
  expect(await seen()).toEqual(['payload task.put 1', 'payload task.put 2', 'record task 1']);
});

test('a version that was changed in place is refused, in one line that names it and what differs', async () => {
  await start(kindsOf([task, title(200)]));
  const cure =
    'put its schema back and add a version by .next, or accept the change by one start with CHANGED_KINDS=warn';
  expect(await start(kindsOf([task, title(100)]))).toBe(
    'StartError: KINDS: version 2 of task.put was changed in place ' +
      `(properties.title.maxLength was 200, is 100): ${cure}`,
  );
  expect(await start(kindsOf([title(1), title(100)]))).toMatch(
    /version 1 of task\.put was changed in place, and 1 more of the kinds' schemas \(properties\.title/,
  );
});

test("a version of a record's data that was changed in place is refused as well", async () => {
  await start(kindsOf([task], [title(5), title(6)]));
  expect(await start(kindsOf([task], [title(5), title(7)]))).toMatch(
    'KINDS: version 2 of the data of task was changed in place (properties.title.maxLength was 6, is 7)',
  );
});

test('a start that is refused leaves nothing, so that what was never served is not shipped', async () => {
  await start(kindsOf([task]));
  expect(await start(kindsOf([title(1), title(2)]))).toMatch('StartError');
  expect(await seen()).toEqual(['payload task.put 1']);
  expect(await start(kindsOf([task, title(3)]))).toEqual([]);
});

test('where it is only warned of, the change is told once, and counts from then on', async () => {
  await start(kindsOf([task]));
  expect(await start(kindsOf([title(200)]), 'warn')).toEqual([
    {
      ...{ event: 'kind.changed', schemaOf: 'payload', name: 'task.put', version: 1 },
      differences: 'properties.title.maxLength was 300, is 200',
    },
  ]);
  expect(await start(kindsOf([title(200)]))).toEqual([]);
  expect(await start(kindsOf([task]))).toMatch('StartError');
});

test('processes that start at once do not collide, and of two that differ one is refused', async () => {
  const same = [0, 1, 2].map((index) => start(kindsOf([task]), 'refuse', index));
  expect(await Promise.all(same)).toEqual([[], [], []]);
  const unlike = [1, 2].map((index) => start(kindsOf([task, title(index)]), 'refuse', index));
  const said = await Promise.all(unlike);
  expect(said.map((one) => typeof one).toSorted()).toEqual(['object', 'string']);
});

test('the service itself, as it works for tenants, may not see or change what is kept', async () => {
  await start(kindsOf([task]));
  await withClient(database.url, async (client) => {
    await client.query('SET ROLE landfall_service');
    for (const sql of [
      'SELECT FROM kind_schemas',
      'UPDATE kind_schemas SET version = 2',
      'DELETE FROM kind_schemas',
    ]) {
      await expect(client.query(sql)).rejects.toThrow('permission denied');
    }
  });
});
