import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../setup/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const put = (key: string, title: string, rest: object = {}) => ({
  identityKey: key,
  kind: 'note.put',
  payload: { noteId: 'n1', title, body: '' },
  ...rest,
});

/** As if all that is stored had been written by a clock that was a day ahead. */
async function setClockBackByADay(): Promise<void> {
  const day = 86_400_000_000;
  await service.sql("UPDATE events SET received_at = received_at + interval '1 day'");
  await service.sql(
    `UPDATE records SET clock = json_build_object('put',
       json_build_array((clock->'put'->>0)::bigint + $1::bigint, clock->'put'->>1))`,
    [day],
  );
}

test('after the database’s clock was set back, new writes still win over old ones', async () => {
  await service.push([put('k1', 'before')]);
  await setClockBackByADay();
  const { results } = await service.push([
    put('k2', 'without a time'),
    put('k3', 'on what it saw', { baseKey: 'k2' }),
  ]);
  expect(results).toMatchObject([{ status: 'applied' }, { status: 'applied' }]);
  const { changes } = await service.pull();
  expect(changes).toMatchObject([{ version: 3, data: { title: 'on what it saw' } }]);
  const late = await service.sql('SELECT FROM events WHERE effective_at > received_at');
  expect(late).toEqual([]);
});
