import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HistoryEntry } from '../../../../src/protocol/history.ts';
import { UnavailableError } from '../../../outbox/request.ts';
import { propertyOptions } from '../../../testkit/events/random-writes.ts';
import {
  attempts,
  codes,
  fakeClock,
  open,
  openBehindProxy,
  useOutboxes,
} from '../../outbox-harness.ts';
import type { TestDevice } from '../../test-device.ts';
import { ask, bootstrap, recordRequests, entitiesShown } from '../support.ts';
import { enqueueFact, salesDialect, salesKinds } from './client.ts';
import { dayArbitrary, type RecordedFact, sum, ticketsADay, totalsOf } from './day.ts';

// The headings are those of the document "Offline-First Architecture".
useOutboxes();

const register = { kinds: salesKinds, dialect: salesDialect };

test('outbox pattern: facts are sent in the format of the event store, and the answer names them by id', async () => {
  const { fetch, pushes } = recordRequests();
  const front = open('front', { ...register, fetch });
  const id = enqueueFact(front, {
    kind: 'ticket.opened',
    payload: { ticketId: 't1', register: 'front' },
  });
  const sale = { ticketId: 't1', totalCents: 1_250, method: 'card' };
  const paid = enqueueFact(front, { kind: 'sale.recorded', version: 2, payload: sale });
  await front.sync();
  const [push] = pushes;
  expect(push?.path).toBe('/api/events');
  expect(push?.body.events[0]).toEqual({
    id,
    seq: 1,
    at: expect.any(Number),
    type: 'ticket.opened',
    aggregate: { type: 'ticket', id: 't1' },
    payload: { register: 'front' },
  });
  expect(push?.body.events[1]).toMatchObject({ id: paid, seq: 2, version: 2 });
  expect(push?.answer).toMatchObject({ success: true, processed: [id, paid], failed: [] });
  expect(await bootstrap('ticket')).toMatchObject({ t1: { paidCents: 1_250 } });
});

test('aggregate consistency: a fact that arrives too early waits for the facts before it', async () => {
  const later = fakeClock();
  const { fetch, pushes } = recordRequests();
  const [front, bar] = [open('front', register), open('bar', { ...register, ...later, fetch })];
  enqueueFact(front, { kind: 'ticket.opened', payload: { ticketId: 't1', register: 'front' } });
  enqueueFact(front, item('t1', 900));
  // The bar took the ticket over after its first two facts.
  const sale = { ticketId: 't1', totalCents: 900, method: 'cash' };
  const paid = enqueueFact(bar, { kind: 'sale.recorded', version: 2, payload: sale, sequence: 3 });
  const closed = enqueueFact(bar, { kind: 'ticket.closed', payload: { ticketId: 't1' } });
  await bar.sync();
  expect(pushes[0]?.answer.failed).toMatchObject([
    { id: paid, code: 'SEQUENCE_GAP', retryable: true, path: 'seq' },
    { id: closed, code: 'SEQUENCE_GAP', retryable: true, path: 'seq' },
  ]);
  expect(attempts(bar.pending())).toEqual([1, 1]);
  await front.sync();
  await bar.drain();
  expect(pushes[1]?.answer).toMatchObject({ processed: [paid, closed], failed: [] });
  expect((await factsOf('t1')).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  await expectFolded(front, bar);
});

test('aggregate consistency: a number that another register has used is refused for good', async () => {
  const [front, bar] = [open('front', register), open('bar', register)];
  enqueueFact(front, { kind: 'ticket.opened', payload: { ticketId: 't1', register: 'front' } });
  enqueueFact(bar, { kind: 'ticket.opened', payload: { ticketId: 't1', register: 'bar' } });
  await front.sync();
  await bar.sync();
  expect(codes(bar.failed())).toEqual(['SEQUENCE_CONFLICT']);
  expect(entitiesShown(bar, 'ticket').t1).toMatchObject({ register: 'front' });
});

test('after a day at two registers the totals equal the sums of the facts', async () => {
  let day = 0;
  const property = fc.asyncProperty(dayArbitrary, async (facts) => {
    day += 1;
    const tickets = await recordDay(`day ${day}`, facts);
    expect(tickets).toHaveLength(ticketsADay);
    const expected = totalsOf(facts.map(({ edit }) => ({ kindVersion: 2, ...edit })));
    expect(sum(tickets.map(({ itemsCents }) => Number(itemsCents)))).toBe(expected.itemsCents);
    expect(sum(tickets.map(({ paidCents }) => Number(paidCents)))).toBe(expected.paidCents);
  });
  await fc.assert(property, { ...propertyOptions(1), endOnFailure: true });
});

/**
 * Both registers are offline all day. The bar syncs first, though the front opened some of its tickets.
 *
 * @returns the tickets of that day
 */
async function recordDay(day: string, facts: readonly RecordedFact[]) {
  const later = fakeClock();
  const front = open(`front, ${day}`, { ...register, ...later });
  const [bar, network] = await openBehindProxy(`bar, ${day}`, { ...register, ...later });
  for (const { register: name, edit } of facts) {
    later.pass(10_000);
    const payload = { ...edit.payload, ticketId: `${day}, ${String(edit.payload.ticketId)}` };
    enqueueFact(name === 'front' ? front : bar, { ...edit, payload });
  }
  const lost = network.loseAnswerTo('POST ');
  await expect(bar.push()).rejects.toThrow(UnavailableError);
  await lost;
  await bar.sync();
  expect(new Set(codes(bar.pending()))).toContain('SEQUENCE_GAP');
  await front.sync();
  await bar.drain();
  await front.drain();
  await bar.sync();
  expect([front, bar].flatMap((each) => [...each.pending(), ...each.failed()])).toEqual([]);
  const tickets = Object.entries(await expectFolded(front, bar));
  return tickets.filter(([id]) => id.startsWith(`${day}, `)).map(([, ticket]) => ticket);
}

test('schema evolution: the queue of a year-old till is processed, and its payloads are kept as sent', async () => {
  const year = 365 * 24 * 3_600_000;
  const old = fakeClock(Date.now() - year);
  const till = open('old', { ...register, ...old });
  const totals = [19.99, 0.29, 1_000_000.01, 12.5, 0];
  for (const [i, total] of totals.entries()) {
    const ticketId = `t${i}`;
    enqueueFact(till, { kind: 'ticket.opened', payload: { ticketId, register: 'old' } });
    enqueueFact(till, { kind: 'sale.recorded', payload: { ticketId, total } });
  }
  old.pass(year);
  await till.drain();
  expect(till.failed()).toEqual([]);
  const tickets = await expectFolded(till);
  expect(Object.values(tickets).map(({ paidCents }) => paidCents)).toEqual([
    1_999, 29, 100_000_001, 1_250, 0,
  ]);

  // The till is updated, and continues with an old ticket.
  const sale = { ticketId: 't0', totalCents: 1, method: 'cash' };
  enqueueFact(till, { kind: 'sale.recorded', version: 2, payload: sale });
  await till.sync();
  const [, first, second] = await factsOf('t0');
  expect(first).toMatchObject({ kindVersion: 1, payload: { ticketId: 't0', total: 19.99 } });
  expect(second).toMatchObject({ kindVersion: 2, payload: sale, sequence: 3 });
  const { t0 } = await expectFolded(till);
  expect(t0).toMatchObject({ paidCents: 2_000, paidByMethod: { cash: 1, card: 0, other: 1_999 } });
});

const item = (ticketId: string, unitCents: number) => ({
  kind: 'ticket.item-added',
  payload: { ticketId, sku: 'tea', name: 'Tea', quantity: 1, unitCents },
});

/** The history of a ticket. The oldest fact comes first. */
async function factsOf(ticketId: string): Promise<HistoryEntry[]> {
  const path = `/api/sync/entities/ticket/${encodeURIComponent(ticketId)}/events?limit=200`;
  return (await ask(path)).events.toReversed();
}

/** Checks each ticket, on a new device and on the registers, against the sums of its history. */
async function expectFolded(...registers: readonly TestDevice[]) {
  const stored = await bootstrap('ticket', salesKinds);
  for (const [ticketId, ticket] of Object.entries(stored)) {
    const facts = await factsOf(ticketId);
    expect(facts.map(({ sequence }) => sequence)).toEqual(facts.map((_, i) => i + 1));
    expect(ticket).toMatchObject(totalsOf(facts));
  }
  for (const each of registers) {
    await each.pull();
    expect(entitiesShown(each, 'ticket')).toEqual(stored);
  }
  return stored;
}
