import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const second = 1000;
const iso = (milliseconds: number) => new Date(milliseconds).toISOString();
const at = (milliseconds: number) => ({ occurredAt: iso(milliseconds) });
const titleOf = async (tenant: Tenant) => (await tenant.record('n1'))?.data?.title;
const first = (rest: object) => putNote('n1', { title: 'FIRST' }, rest);
const next = (rest: object) => putNote('n1', { title: 'SECOND' }, rest);

/** Pairs of edits whose own clock says nothing, or the wrong thing, about their order. */
const pairs: readonly [string, (now: number) => readonly SentEvent[]][] = [
  [
    'of one second, by keys that would lose the tie',
    (now) => [
      { ...first(at(now - second)), identityKey: `zz-${now}` },
      { ...next(at(now - second)), identityKey: `aa-${now}` },
    ],
  ],
  [
    'the first of which lies in the future, as the clock was set back',
    (now) => [first(at(now + 3600 * second)), next(at(now - 5 * second))],
  ],
  [
    'of a clock that was set back by a year',
    (now) => [first(at(now - second)), next(at(now - 365 * 86_400 * second))],
  ],
  ['the first of which names no time', (now) => [first({}), next(at(now - 60 * second))]],
  [
    'the first of which was in a field of its own',
    (now) => [
      putNote('n1', { title: 'ZERO' }, at(now - 9 * second)),
      patchNote('n1', { title: 'FIRST' }, at(now - second)),
      patchNote('n1', { title: 'SECOND' }, at(now - 2 * second)),
    ],
  ],
];

for (const device of ['phone', null]) {
  const who = device ? 'a device' : 'a token without a device';
  test.each(pairs)(
    `in one batch of ${who} the later edit of a record wins: two %s`,
    async (...row) => {
      const [, make] = row;
      const now = Date.now();
      for (const envelope of [{}, { sentAt: iso(now) }]) {
        const tenant = await createTenant(service);
        const sender = { tenant: tenant.id, device };
        const { failed } = await service.push(make(now), envelope, sender);
        expect(failed).toEqual([]);
        expect(await titleOf(tenant)).toBe('SECOND');
      }
    },
  );
}

test('put, remove and put in one second end with the last put, whatever the keys', async () => {
  const time = at(Date.now() - 60 * second);
  for (const keys of ['abc', 'cba', 'bca']) {
    const tenant = await createTenant(service);
    const events = [first(time), removeNote('n1', time), next(time)].map((event, index) => ({
      ...event,
      identityKey: `${keys[index]}`,
    }));
    expect(await tenant.pushStatuses(events)).toEqual(['applied', 'applied', 'applied']);
    expect(await tenant.record('n1')).toMatchObject({ deleted: false, data: { title: 'SECOND' } });
  }
});

test.each(pairs)('over requests the later edit of one device wins: two %s', async (_what, make) => {
  const tenant = await createTenant(service);
  for (const event of make(Date.now())) {
    expect((await tenant.push([event], {}, 'phone')).failed).toEqual([]);
  }
  expect(await titleOf(tenant)).toBe('SECOND');
});

test('an edit whose request was slow does not win against the next one of its device', async () => {
  const tenant = await createTenant(service);
  const now = Date.now();
  await tenant.push([putNote('n1', { title: 'ZERO' }, at(now - 3600 * second))], {}, 'phone');
  // Its request took 400 ms on the way, for which the server cannot know.
  const slow = patchNote('n1', { title: 'FIRST' }, at(now - 400));
  const quick = patchNote('n1', { title: 'SECOND' }, at(now - 300));
  await tenant.push([slow], { sentAt: iso(now - 400) }, 'phone');
  expect(await tenant.pushStatuses([quick], { sentAt: iso(now) }, 'phone')).toEqual(['applied']);
  expect(await titleOf(tenant)).toBe('SECOND');
});

test('the order of a device holds over the edits of others, and over edits that changed nothing', async () => {
  const tenant = await createTenant(service);
  const now = Date.now();
  const edits: readonly [string, string, number][] = [
    ['phone', 'A', now - 50 * second],
    ['tablet', 'B', now - 40 * second],
    ['phone', 'B', now - 30 * second],
    ['tablet', 'C', now - 35 * second],
  ];
  const said: string[] = [];
  for (const [device, title, time] of edits) {
    said.push(...(await tenant.pushStatuses([putNote('n1', { title }, at(time))], {}, device)));
  }
  // The phone's noop is the newest of all, though the tablet's edit was the last to arrive.
  expect(said).toEqual(['applied', 'applied', 'noop', 'superseded']);
  expect(
    await tenant.pushStatuses([putNote('n1', { title: 'D' }, at(now - 45 * second))], {}, 'phone'),
  ).toEqual(['applied']);
  expect(await titleOf(tenant)).toBe('D');
});

test('another device keeps winning by its clock: only the own edits of a device keep their order', async () => {
  const tenant = await createTenant(service);
  const now = Date.now();
  await tenant.push([putNote('n1', { title: 'phone' }, at(now - 10 * second))], {}, 'phone');
  const late = putNote('n1', { title: 'tablet' }, at(now - 20 * second));
  expect(await tenant.pushStatuses([late], {}, 'tablet')).toEqual(['superseded']);
});

test('a later edit counts a microsecond after the one before it, and never after its receipt', async () => {
  const tenant = await createTenant(service);
  const time = '2026-01-01T00:00:00Z';
  await tenant.push([first({ occurredAt: time }), next({ occurredAt: time })], {}, 'phone');
  await tenant.push([first({ occurredAt: '2199-01-01T00:00:00Z' }), next({})], {}, 'phone');
  const log = await tenant.log();
  const base = Date.parse(time) * 1000;
  expect(log.slice(0, 2).map(({ effectiveAt }) => effectiveAt)).toEqual([base, base + 1]);
  for (const { effectiveAt, receivedAt } of log)
    expect(effectiveAt).toBeLessThanOrEqual(receivedAt);
});

test('a record remembers its last 32 devices, and not the ones before them', async () => {
  const tenant = await createTenant(service);
  for (let index = 0; index < 40; index += 1) {
    const edit = putNote('n1', { title: `${index}` }, at(Date.UTC(2026, 0, 1, 0, index)));
    expect(await tenant.pushStatuses([edit], {}, `device ${index}`)).toEqual(['applied']);
  }
  const rows = await service.sql(
    'SELECT clock FROM records WHERE tenant_no = (SELECT no FROM tenants WHERE id = $1)',
    [tenant.id],
  );
  const devices = Object.keys(rows[0]?.clock.devices);
  expect(devices).toHaveLength(32);
  expect(devices).toContain('device 38');
  expect(devices).not.toContain('device 5');
});
