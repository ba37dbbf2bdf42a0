import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushAnswerSchema } from '../../../src/protocol/push.ts';
import { createTenant, expectExactShape, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const locationCoord = 'A00:12:34:05';

/** An empire of its own, as the game server made it. */
async function createEmpire(credits: number): Promise<Tenant> {
  const tenant = await createTenant(service);
  const scope = 'sync:push colony:admin';
  const events = [
    { identityKey: 'empire', kind: 'empire.put', payload: { empireId: 'e7', credits } },
    { identityKey: 'home', kind: 'location.put', payload: { empireId: 'e7', locationCoord } },
  ];
  const { failed } = await service.push(events, {}, { ...tenant.sender(), scope });
  expect(failed).toEqual([]);
  return tenant;
}

async function flush(tenant: Tenant, body: unknown[]) {
  const url = '/api/sync/events';
  const answer = await service.request({ method: 'POST', url, body, sender: tenant.sender() });
  expect(answer.status).toBe(200);
  return expectExactShape(pushAnswerSchema, answer.body);
}

const order = (kind: string, catalogKey: string, more: object = {}) => ({
  kind,
  payload: { kind, empireId: 'e7', locationCoord, catalogKey, identityKey: randomUUID(), ...more },
});

test('a bare array is decided event by event, by the keys in the payloads', async () => {
  const tenant = await createEmpire(100_000);
  const batch = [
    order('research', 'laser'),
    order('structures', 'no-such-structure'),
    order('research', 'laser'),
    order('research', 'laser', { identityKey: '' }),
    null,
  ];
  const keys = batch.map((event) => event?.payload.identityKey);
  const { success, processed, failed } = await flush(tenant, batch);
  expect([success, processed]).toEqual([true, [keys[0]]]);
  expect(failed).toMatchObject([
    { identityKey: keys[1], code: 'INVALID_PAYLOAD', path: 'payload.catalogKey' },
    { identityKey: keys[2], code: 'ALREADY_IN_PROGRESS', retryable: false },
    { identityKey: null, index: 3, code: 'INVALID_EVENT', path: 'payload.identityKey' },
    { identityKey: null, index: 4, code: 'INVALID_EVENT' },
  ]);
  expect((await tenant.record(`${locationCoord}/research/laser`))?.origin).toMatchObject({
    identityKey: keys[0],
    kind: 'research.queue',
  });
});

test('a batch that is flushed again is processed, and deducts nothing', async () => {
  const tenant = await createEmpire(100_000);
  const batch = [order('research', 'laser')];
  const first = await flush(tenant, batch);
  const empire = await tenant.record('e7');
  expect((await flush(tenant, batch)).processed).toEqual(first.processed);
  expect(await tenant.record('e7')).toEqual(empire);
});

test('an event in the protocol’s own words is refused by name in a bare array', async () => {
  const tenant = await createTenant(service);
  const note = { noteId: 'n1', title: '', body: '' };
  const { failed } = await flush(tenant, [
    { identityKey: 'k1', kind: 'note.put', payload: note },
    { kind: 'note.put', payload: { ...note, identityKey: 'k2' }, colour: 'red' },
    { kind: 'note.put', payload: { ...note, identityKey: 'k3' }, clientRequestId: 'k3' },
    { kind: 'note.put', payload: { ...note, identityKey: 'landfall:1' } },
  ]);
  expect(failed).toMatchObject([
    { identityKey: 'k1', code: 'INVALID_EVENT', path: 'identityKey' },
    { identityKey: 'k2', code: 'INVALID_EVENT', path: 'colour' },
    { identityKey: 'k3', code: 'INVALID_EVENT', path: 'clientRequestId' },
    { identityKey: 'landfall:1', code: 'INVALID_EVENT', path: 'payload.identityKey' },
  ]);
  expect(await tenant.log()).toEqual([]);
});
