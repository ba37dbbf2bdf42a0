import { expect, test } from 'vitest';
import type { HistoryEntry } from '../../../../src/protocol/history.ts';
import { UnavailableError } from '../../../outbox/request.ts';
import { attempts, open, openBehindProxy, serverLog, useOutboxes } from '../../outbox-harness.ts';
import type { TestDevice } from '../../test-device.ts';
import {
  ask,
  bootstrap,
  enqueueAll,
  onlyFailedEvent,
  recordRequests,
  resolve,
  entitiesShown,
} from '../support.ts';
import { freightDialect, freightKinds } from './client.ts';

// The sections are those of the document "Offline Sync Plan".
useOutboxes();

const desktop = { kinds: freightKinds, dialect: freightDialect };
const money = { customer: 'ACME', amountCents: 12_000, currency: 'EUR' };
const invoice = { ...money, status: 'draft', dueOn: '2026-12-01' };

test('sync worker: offline writes are sent in order, each with its clientRequestId', async () => {
  const { fetch, pushes } = recordRequests();
  const [desk, network] = await openBehindProxy('desk', { ...desktop, fetch });
  network.refuseConnections();
  const keys = enqueueAll(desk, [
    { kind: 'shipment.create', payload: { shipmentId: 's1', ...route, status: 'planned' } },
    { kind: 'quote.create', payload: { quoteId: 'q1', ...money, status: 'draft' } },
    { kind: 'invoice.create', payload: { invoiceId: 'i1', ...invoice } },
  ]);
  keys.push(
    update(desk, 'shipment', 's1', { status: 'in-transit', pickupOn: '2026-11-20' }),
    update(desk, 'quote', 'q1', { status: 'sent', shipmentId: 's1' }),
    update(desk, 'invoice', 'i1', { amountCents: 13_000 }),
    update(desk, 'invoice', 'i1', { status: 'issued', dueOn: null }),
  );
  await expect(desk.sync()).rejects.toThrow(UnavailableError);
  const shown = ['shipment', 'quote', 'invoice'].map((type) => entitiesShown(desk, type));
  network.acceptConnections();
  await desk.drain();
  expect([...desk.pending(), ...desk.failed()]).toEqual([]);
  const [push] = pushes;
  expect(clientRequestIds(push?.body.events)).toEqual(keys);
  expect(push?.body.events[0]).not.toHaveProperty('identityKey');
  expect(clientRequestIds(push?.answer.results)).toEqual(keys);
  for (const [i, type] of ['shipment', 'quote', 'invoice'].entries()) {
    expect(await bootstrap(type)).toEqual(shown[i]);
  }
  expect(shown[2]).toEqual({
    i1: { ...invoice, amountCents: 13_000, status: 'issued', dueOn: null },
  });
});

test('cloud coordination: a resend is recognized by its clientRequestId, and is in the history', async () => {
  const { fetch, pushes } = recordRequests();
  const [desk, network] = await openBehindProxy('desk', { ...desktop, fetch });
  desk.enqueue({ kind: 'invoice.create', payload: { invoiceId: 'i1', ...invoice } });
  update(desk, 'invoice', 'i1', { amountCents: 1 });
  const lost = network.loseAnswerTo('POST ');
  await expect(desk.push()).rejects.toThrow(UnavailableError);
  await lost;
  await desk.drain();
  expect(pushes[0]?.answer.results).toMatchObject([
    { status: 'duplicate', original: 'applied', version: 1 },
    { status: 'duplicate', original: 'applied', version: 2 },
  ]);
  expect(await serverLog()).toHaveLength(2);
  await expect.poll(resendCounts, { timeout: 10_000 }).toEqual([1, 1]);
  expect(await audit()).toMatchObject([
    { kind: 'invoice.create', recordBefore: 0, recordAfter: 1, deviceId: 'desk' },
    { kind: 'invoice.update', recordBefore: 1, recordAfter: 2, subject: 'user of desk' },
  ]);
});

test('conflict strategy: the second of two edits of an invoice is paused, with both sides', async () => {
  const { second } = await twoEdits();
  const { event, lastError } = onlyFailedEvent(second);
  expect(lastError).toMatchObject({
    code: 'CONFLICT',
    retryable: false,
    clientRequestId: event.identityKey,
    current: { version: 2, data: { ...invoice, amountCents: 13_000, status: 'issued' } },
    differingFields: ['amountCents'],
  });
  expect(attempts(second.failed())).toEqual([1]);
  // The server's record is shown until a person has decided.
  expect(entitiesShown(second, 'invoice').i1).toMatchObject({
    amountCents: 13_000,
    dueOn: '2026-12-01',
  });
});

test('conflict strategy, retry: each retry gets the same answer, and is counted in the history', async () => {
  const { first, second } = await twoEdits();
  const { event, lastError } = onlyFailedEvent(second);
  for (let i = 0; i < 2; i += 1) {
    second.retry(event.identityKey);
    await second.sync();
    expect(onlyFailedEvent(second).lastError).toEqual(lastError);
  }
  await expect.poll(resendCounts, { timeout: 10_000 }).toEqual([0, 0, 2]);
  const resent = (await audit()).at(-1);
  expect(resent).toMatchObject({ outcome: 'conflict', deviceId: 'second' });
  expect(Date.parse(`${resent?.resends.lastAt}`)).toBeGreaterThanOrEqual(
    Date.parse(`${resent?.receivedAt}`),
  );

  // An edit that is made again on the current record is a new event.
  await resolve(second, event.identityKey, 'discard');
  update(second, 'invoice', 'i1', { amountCents: 14_000 });
  await second.sync();
  await expectEqual({ amountCents: 14_000, status: 'issued' }, first, second);
});

test('conflict strategy, force: the edit is applied on top of the other edit', async () => {
  const { first, second, network } = await twoEdits();
  const { event } = onlyFailedEvent(second);
  const lost = network.loseAnswerTo('POST ');
  await expect(resolve(second, event.identityKey, 'force')).rejects.toThrow(UnavailableError);
  await lost;
  expect(second.failed()).toHaveLength(1);
  await resolve(second, event.identityKey, 'force');
  expect(second.failed()).toEqual([]);
  expect(entitiesShown(second, 'invoice').i1).toMatchObject({
    amountCents: 14_000,
    status: 'issued',
  });
  await expectEqual({ amountCents: 14_000, status: 'issued' }, first, second);
  expect(await audit()).toMatchObject([
    { outcome: 'applied', recordAfter: 1 },
    { outcome: 'applied', recordAfter: 2 },
    { outcome: 'conflict', recordAfter: 2, resolvedBy: { version: 4, resolution: 'force' } },
    {
      ...{ outcome: 'applied', recordBefore: 2, recordAfter: 4, deviceId: 'second' },
      resolves: { identityKey: event.identityKey, version: 3, resolution: 'force' },
    },
  ]);
});

test('conflict strategy, discard: the other edit stays, and both desktops show it', async () => {
  const { first, second } = await twoEdits();
  const { event } = onlyFailedEvent(second);
  await resolve(second, event.identityKey, 'discard');
  expect(second.failed()).toEqual([]);
  await expectEqual({ amountCents: 13_000, status: 'issued' }, first, second);
  const trail = await audit();
  expect(trail.at(-1)).toMatchObject({
    outcome: 'noop',
    recordBefore: 2,
    recordAfter: 2,
    subject: 'user of second',
    resolves: { identityKey: event.identityKey, resolution: 'discard' },
  });
});

test('conflict strategy: two desktops that create one invoice offline are in conflict too', async () => {
  const [first, second] = [open('first', desktop), open('second', desktop)];
  first.enqueue({ kind: 'invoice.create', payload: { invoiceId: 'i1', ...invoice } });
  second.enqueue({ kind: 'invoice.create', payload: { invoiceId: 'i1', ...invoice, dueOn: null } });
  update(second, 'invoice', 'i1', { status: 'issued' });
  await first.sync();
  await second.sync();
  const [created, updated] = second.failed();
  expect(created?.lastError).toMatchObject({ code: 'CONFLICT', differingFields: ['dueOn'] });
  expect(updated?.lastError).toMatchObject({ code: 'CONFLICT', differingFields: ['status'] });
  for (const { event } of second.failed()) await resolve(second, event.identityKey, 'force');
  await expectEqual({ status: 'issued', dueOn: null }, first, second);
});

test('conflict strategy: an update without a base is refused', async () => {
  const desk = open('desk', desktop);
  desk.enqueue({ kind: 'invoice.create', payload: { invoiceId: 'i1', ...invoice } });
  desk.enqueue({ kind: 'invoice.update', payload: { invoiceId: 'i1', amountCents: 1 } });
  await desk.sync();
  expect(onlyFailedEvent(desk).lastError).toMatchObject({
    code: 'INVALID_EVENT',
    path: 'baseVersion',
  });
  expect(entitiesShown(desk, 'invoice')).toEqual({ i1: invoice });
});

const route = { customer: 'ACME', origin: 'Oslo', destination: 'Bergen' };

function update(on: TestDevice, type: string, id: string, fields: object): string {
  const payload = { [`${type}Id`]: id, ...fields };
  return on.enqueue({ kind: `${type}.update`, payload }, true);
}

/** Two desktops edit an invoice offline. The first one syncs first. */
async function twoEdits() {
  const first = open('first', desktop);
  const [second, network] = await openBehindProxy('second', desktop);
  first.enqueue({ kind: 'invoice.create', payload: { invoiceId: 'i1', ...invoice } });
  await first.sync();
  await second.sync();
  update(second, 'invoice', 'i1', { amountCents: 14_000 });
  update(first, 'invoice', 'i1', { amountCents: 13_000, status: 'issued' });
  await first.sync();
  await second.push();
  return { first, second, network };
}

/** The history of the invoice. The oldest entry comes first. */
async function audit(): Promise<HistoryEntry[]> {
  const { events } = await ask('/api/sync/entities/invoice/i1/events');
  return events.toReversed();
}

async function resendCounts(): Promise<number[]> {
  return (await audit()).map(({ resends }) => resends.count);
}

const clientRequestIds = (entries: readonly { clientRequestId: string }[]) =>
  entries.map(({ clientRequestId }) => clientRequestId);

/** Checks the invoice on every desktop and on a new device. */
async function expectEqual(fields: object, ...desktops: readonly TestDevice[]): Promise<void> {
  const stored = await bootstrap('invoice', freightKinds);
  expect(stored).toEqual({ i1: { ...invoice, ...fields } });
  for (const each of desktops) {
    await each.sync();
    expect([...each.pending(), ...each.failed()]).toEqual([]);
    expect(entitiesShown(each, 'invoice')).toEqual(stored);
  }
}
