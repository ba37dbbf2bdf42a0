import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { put, remove } from '../testkit/oracle/events.ts';
import { type Sender, startApp, type TestApp, type TestRequest } from '../testkit/app.ts';

/** A token with `sync:push` alone takes part in writing, and is told nothing of what is stored. */

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

/** Of a record, and of somebody else's edit. Neither may be in any answer to this token. */
const secret = `secret-${randomUUID()}`;
const secretField = `field-${randomUUID()}`;
let reader: Sender;
let writer: Sender;
beforeEach(async () => {
  const tenant = randomUUID();
  reader = { tenant, device: 'reader' };
  writer = { tenant, device: 'writer', subject: 'writer', scope: 'sync:push' };
  const data = { name: secret, [secretField]: 1 };
  await service.push([put('n1', { title: secret, body: secret }), resource(data, 0)], {}, reader);
});

const resource = (data: object, resourceVersion: number) => ({
  ...{ identityKey: randomUUID(), kind: 'resource.put' },
  payload: { resourceType: 'Product', resourceId: 'p1', resourceVersion, data },
});

/** Asks as the writer, and looks through the whole answer. */
async function answerWithoutData(asked: Omit<TestRequest, 'sender'>) {
  const answer = await service.request({ ...asked, sender: writer });
  const text = JSON.stringify([answer.body, answer.headers]);
  for (const told of [secret, secretField, '"current"', '"differingFields"', '"incoming"']) {
    expect(text).not.toContain(told);
  }
  return { status: answer.status, ...answer.body };
}

const push = (events: readonly unknown[], envelope: object = {}, url = '/api/sync/events') => ({
  ...({ method: 'POST', url: `${url}?include=results`, body: { ...envelope, events } } as const),
});

test.each<[string, () => unknown, object]>([
  ['an edit on an old base', () => put('n1', { title: 'B' }, { baseVersion: 0 }), {}],
  ['a delete on an old base', () => remove('n1', { baseVersion: 0 }), {}],
  ['an edit dated 1990', () => put('n1', {}, { occurredAt: '1990-01-01T00:00:00Z' }), {}],
  ['a delete dated 1990', () => remove('n1', { occurredAt: '1990-01-01T00:00:00Z' }), {}],
  ['an edit of a resource with other fields', () => resource({ other: 1 }, 0), {}],
  [
    'a batch that fails as one',
    () => put('n1', { title: 'B' }, { baseVersion: 0 }),
    { atomic: true },
  ],
  ['an edit that changes nothing', () => put('n1', { title: secret.slice(0, 0) }), {}],
])('%s is answered without the record', async (_what, event, envelope) => {
  const sent = event();
  const answer = await answerWithoutData(push([sent], envelope));
  expect(answer).toMatchObject({ status: 200, success: true });
  // The same again is answered by another path.
  expect(await answerWithoutData(push([sent], envelope))).toMatchObject({ status: 200 });
});

test('the words of other clients are answered without the record too', async () => {
  const conflict = put('n1', { title: 'B' }, { baseVersion: 0 });
  const { identityKey: clientRequestId, ...rest } = conflict;
  const { failed } = await answerWithoutData(push([{ ...rest, clientRequestId }]));
  expect(failed).toMatchObject([{ code: 'CONFLICT', clientRequestId }]);
  const { identityKey, ...inPayload } = put('n1', {}, { occurredAt: '1990-01-01T00:00:00Z' });
  const payload = { ...inPayload.payload, identityKey };
  await answerWithoutData({ ...push([]), body: [{ ...inPayload, payload }] });
  const fact = {
    ...{ id: randomUUID(), seq: 7, at: 0, type: 'ticket.closed' },
    ...{ aggregate: { id: 't1', type: 'ticket' }, payload: {} },
  };
  await answerWithoutData(push([fact], {}, '/api/events'));
});

test.each([
  ['discard', {}],
  ['force', {}],
  ['merge', { payload: { noteId: 'n1', title: 'merged', body: '' } }],
])(
  'who settles by %s is told how it was settled, and neither side of it',
  async (resolution, more) => {
    const conflict = put('n1', { title: secret }, { baseVersion: 0 });
    await service.push([conflict], {}, reader);
    const url = `/api/sync/conflicts/${conflict.identityKey}/resolution`;
    const asked = { method: 'POST', url, body: { resolution, ...more } } as const;
    for (const answer of [await answerWithoutData(asked), await answerWithoutData(asked)]) {
      expect(answer).toEqual({
        status: 200,
        identityKey: conflict.identityKey,
        version: expect.any(Number),
        resolved: expect.objectContaining({ resolution, subject: 'writer' }),
      });
    }
    const other = resolution === 'discard' ? 'force' : 'discard';
    const refused = await answerWithoutData({ ...asked, body: { resolution: other } });
    expect(refused.status).toBe(409);
  },
);

test('who may read as well is shown both sides', async () => {
  const conflict = put('n1', { title: 'mine' }, { baseVersion: 0 });
  const { failed } = await service.push([conflict], {}, reader);
  expect(failed).toMatchObject([{ current: { data: { title: secret } } }]);
  const url = `/api/sync/conflicts/${conflict.identityKey}/resolution`;
  const body = { resolution: 'discard' };
  const answer = await service.request({ method: 'POST', url, body, sender: reader });
  expect(answer.body).toMatchObject({
    incoming: { payload: { title: 'mine' } },
    current: { data: { title: secret } },
    differingFields: ['body', 'title'],
  });
});

test.each([
  '/api/sync/changes',
  '/api/sync/conflicts',
  '/api/sync/conflicts/k',
  '/api/sync/entities/note/n1/events',
  '/api/sync/receipts?identityKeys=k',
])('%s is not for a token that may only push', async (url) => {
  expect((await answerWithoutData({ url })).status).toBe(403);
});
