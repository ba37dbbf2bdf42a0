import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const lampSchema = z.strictObject({ id: z.string() });
const lamp = (name: string, scope?: string) =>
  defineKind({
    name,
    entityType: 'lamp',
    payload: payload(lampSchema),
    entityId: ({ id }) => id,
    policy: put(() => ({ by: name })),
    ...(scope !== undefined && { scope }),
  });

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [lamp('lamp.light'), lamp('lamp.install', 'lamp:admin')] });
});
afterAll(() => service.close());

const send = (kind: string): SentEvent => ({
  identityKey: nextKey(),
  kind,
  payload: { id: 'l1' },
});

test('a kind with a scope of its own is refused to a token without it, and its neighbours are not', async () => {
  const tenant = await createTenant(service);
  const [admin, device] = [send('lamp.install'), send('lamp.light')];
  const { failed, processed } = await tenant.push([admin, device]);
  expect(processed).toEqual([device.identityKey]);
  expect(failed).toMatchObject([
    { identityKey: admin.identityKey, code: 'NOT_ALLOWED', retryable: false, path: 'kind' },
  ]);
  expect(failed[0]?.message).toContain('lamp:admin');
  expect(await tenant.head()).toBe(1);
});

test('a token with the scope may send it, and what was refused keeps its key', async () => {
  const tenant = await createTenant(service);
  const event = send('lamp.install');
  expect(await tenant.pushStatuses([event])).toEqual(['NOT_ALLOWED']);
  const sender = { tenant: tenant.id, scope: 'sync:push lamp:admin' };
  expect((await service.push([event], {}, sender)).results).toMatchObject([{ status: 'applied' }]);
});

test("the kind's scope alone does not let a token push", async () => {
  const sender = { scope: 'lamp:admin' };
  const body = { events: [send('lamp.install')] };
  const answer = await service.request({
    method: 'POST',
    url: '/api/sync/events',
    body,
    sender,
  });
  expect(answer).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
});
