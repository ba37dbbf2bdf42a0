import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const maxAnswerBytes = 1_000_000;

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env: { MAX_ANSWER_BYTES: `${maxAnswerBytes}` } });
});
afterAll(() => service.close());

/** Of sixty kilobytes, in characters of three bytes. */
const large = { body: '漢'.repeat(20_000) };
const many = Array.from({ length: 500 }, (_, index) => index);

/** As it is sent, and parsed. */
async function pushRaw(tenant: Tenant, events: readonly unknown[], url = '/api/sync/events') {
  const answer = await service.app.inject({
    method: 'POST',
    url: `${url}?include=results`,
    headers: {
      authorization: `Bearer ${service.token(tenant.sender())}`,
      'content-type': 'application/json',
    },
    payload: { events },
  });
  expect(answer.statusCode).toBe(200);
  return { bytes: answer.rawPayload.length, ...answer.json() };
}

interface Entry {
  readonly current?: unknown;
  readonly currentOmitted?: true | undefined;
}

/** Each entry shows its record or says that it does not. */
function expectSaid(entries: readonly Entry[]): void {
  const shown = entries.filter(({ current }) => current !== undefined);
  const omitted = entries.filter(({ currentOmitted }) => currentOmitted === true);
  expect(shown.length).toBeGreaterThan(0);
  expect(omitted.length).toBeGreaterThan(0);
  expect(shown.length + omitted.length).toBe(entries.length);
}

describe('an answer to many events on one large record is bounded in bytes', () => {
  const edits = (fields: object) =>
    many.map((index) =>
      putNote('n1', { title: `${index}` }, { identityKey: `k${index}`, ...fields }),
    );

  test('of conflicts, and of the same ones again, as each record is counted wherever it is shown', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1', large)]);
    for (const events of [edits({ baseVersion: 0 }), edits({ baseVersion: 0 })]) {
      const { bytes, failed, results } = await pushRaw(tenant, events);
      expect(bytes).toBeLessThanOrEqual(maxAnswerBytes);
      expect(failed).toHaveLength(events.length);
      expectSaid(failed);
      expectSaid(results);
    }
  });

  test('of superseded edits', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1', large)], {}, 'another device');
    const { bytes, results } = await pushRaw(tenant, edits({ occurredAt: '1990-01-01T00:00:00Z' }));
    expect(bytes).toBeLessThanOrEqual(maxAnswerBytes);
    expectSaid(results);
  });

  test('of a batch that fails as one', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1', large)]);
    const answer = await service.push(edits({ baseVersion: 0 }), { atomic: true }, tenant.sender());
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThanOrEqual(maxAnswerBytes);
    expectSaid(answer.failed);
  });

  test('of many records', async () => {
    const tenant = await createTenant(service);
    const ids = many.slice(0, 40).map((index) => `n${index}`);
    for (const id of ids) await tenant.push([putNote(id, large)]);
    const { bytes, results } = await pushRaw(
      tenant,
      ids.map((id) => putNote(id, {}, { baseVersion: 0 })),
    );
    expect(bytes).toBeLessThanOrEqual(maxAnswerBytes);
    expectSaid(results);
  });

  test('of an event store', async () => {
    const tenant = await createTenant(service);
    const fact = (index: number, seq: number, type: string, payload: object) => ({
      ...{ id: `s${index}`, seq, at: Date.UTC(2026, 1, 1), type, payload },
      aggregate: { id: 't1', type: 'ticket' },
    });
    const item = { sku: 's', name: '漢'.repeat(200), quantity: 1, unitCents: 1 };
    const items = many
      .slice(1, 200)
      .map((seq) => fact(seq, seq, 'ticket.item-added', { ...item, sku: `s${seq}` }));
    await pushRaw(tenant, items, '/api/events');
    const closing = many.map((index) => ({
      ...{ identityKey: `c${index}`, kind: 'ticket.closed', sequence: 200, baseVersion: 0 },
      payload: { ticketId: 't1' },
    }));
    const { bytes, failed, results } = await pushRaw(tenant, closing);
    expect(bytes).toBeLessThanOrEqual(maxAnswerBytes);
    expectSaid(failed);
    expectSaid(results);
  });
});

test('a record that an answer leaves out can be pulled', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', large)]);
  const { failed } = await pushRaw(
    tenant,
    many.map(() => putNote('n1', {}, { baseVersion: 0 })),
  );
  expect(failed.at(-1)).toMatchObject({ code: 'CONFLICT', currentOmitted: true });
  expect((await tenant.record('n1'))?.data).toMatchObject(large);
});
