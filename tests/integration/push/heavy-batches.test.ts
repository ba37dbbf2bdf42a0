import { z } from 'zod';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { putNote } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

/** Facts that were worked on. */
let worked = 0;

/** A kind that works on each fact for as long as the fact says, in milliseconds, and makes a text so long. */
const slowFact = defineKind({
  name: 'slow.fact',
  entityType: 'slow',
  payload: payload(
    z.strictObject({ id: z.string(), workMs: z.number(), length: z.number().default(0) }),
  ),
  entityId: ({ id }) => id,
  policy: append((before, { workMs, length }) => {
    work(workMs);
    return { facts: Number(before?.facts ?? 0) + 1, text: 'x'.repeat(length) };
  }),
});

function work(milliseconds: number): void {
  worked += 1;
  const begun = process.cpuUsage();
  const takenMs = () => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1000;
  };
  while (takenMs() < milliseconds);
}

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, slowFact] });
});
afterAll(() => service.close());

const facts = (count: number, workMs: number) =>
  Array.from({ length: count }, () => ({
    ...{ identityKey: crypto.randomUUID(), kind: 'slow.fact' },
    payload: { id: 's1', workMs },
  }));

const push = (tenant: Tenant, events: readonly unknown[]) =>
  service.request({
    ...{ method: 'POST', url: '/api/sync/events', body: { events } },
    sender: tenant.sender(),
  });

/** As a client does that is told that its batch is too large. @returns events of each batch that was taken */
async function pushInParts(tenant: Tenant, events: readonly unknown[]): Promise<readonly number[]> {
  const answer = await push(tenant, events);
  if (answer.status === 200) return [events.length];
  expect(answer).toMatchObject({ status: 413, body: { code: 'BATCH_TOO_LARGE' } });
  const { maxEvents } = answer.body;
  const [first, rest] = [events.slice(0, maxEvents), events.slice(maxEvents)];
  return [...(await pushInParts(tenant, first)), ...(await pushInParts(tenant, rest))];
}

test('a batch that is too much work is refused for good, and goes through in parts', async () => {
  const tenant = await createTenant(service);
  const events = facts(30, 100);
  expect(await push(tenant, events)).toMatchObject({
    status: 413,
    body: { code: 'BATCH_TOO_LARGE', maxEvents: 15, retryable: false },
  });
  expect(await tenant.log()).toEqual([]);
  const parts = await pushInParts(tenant, events);
  expect(Math.max(...parts)).toBeLessThan(events.length);
  expect((await tenant.record('s1'))?.data).toMatchObject({ facts: 30 });
});

test('one event that is too much work is refused as well, and its tenant is served on', async () => {
  const tenant = await createTenant(service);
  const refused = await push(tenant, facts(1, 2_500));
  expect(refused).toMatchObject({ status: 413, body: { code: 'BATCH_TOO_LARGE', maxEvents: 1 } });
  expect(await push(tenant, [putNote('n1')])).toMatchObject({ status: 200, body: { failed: [] } });
});

test('others are answered while a batch that is much work is decided', async () => {
  const tenant = await createTenant(service);
  const order: string[] = [];
  worked = 0;
  const heavy = push(tenant, facts(15, 100)).then(() => order.push('heavy'));
  await vi.waitUntil(() => worked > 0, { interval: 1 });
  for (const _again of [1, 2, 3]) {
    await service.request({ url: '/livez' });
    order.push('probe');
  }
  await heavy;
  expect(order).toEqual(['probe', 'probe', 'probe', 'heavy']);
});

test('a batch that would load too many large records is refused, and goes through in parts', async () => {
  const tenant = await createTenant(service);
  const events = () =>
    Array.from({ length: 300 }, (_, index) => ({
      ...{ identityKey: crypto.randomUUID(), kind: 'slow.fact' },
      payload: { id: `s${index}`, workMs: 0, length: 130_000 },
    }));
  await pushInParts(tenant, events());
  expect(await push(tenant, events())).toMatchObject({
    status: 413,
    body: { code: 'BATCH_TOO_LARGE', maxEvents: 150 },
  });
  await pushInParts(tenant, events());
  expect((await tenant.record('s299'))?.data).toMatchObject({ facts: 2 });
});
