import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { type Sender, startApp, type TestApp, type TestRequest } from '../testkit/app/test-app.ts';

/** A token with only `sync:push` can write, and no answer shows it stored data. */

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

/** Texts of a record and of another device's edit. No answer to this token may contain them. */
const secret = `secret-${randomUUID()}`;
const secretField = `field-${randomUUID()}`;
let reader: Sender;
let writer: Sender;
beforeEach(async () => {
  const tenant = randomUUID();
  reader = { tenant, device: 'reader' };
  writer = { tenant, device: 'writer', subject: 'writer', scope: 'sync:push' };
  const data = { name: secret, [secretField]: 1 };
  await service.push(
    [putNote('n1', { title: secret, body: secret }), resource(data, 0)],
    {},
    reader,
  );
});

const resource = (data: object, resourceVersion: number) => ({
  ...{ identityKey: randomUUID(), kind: 'resource.put' },
  payload: { resourceType: 'Product', resourceId: 'p1', resourceVersion, data },
});

/** Sends a request as the writer. Checks that the answer contains no stored data. */
async function answerWithoutData(request: Omit<TestRequest, 'sender'>) {
  const answer = await service.request({ ...request, sender: writer });
  const text = JSON.stringify([answer.body, answer.headers]);
  for (const hidden of [secret, secretField, '"current"', '"differingFields"', '"incoming"']) {
    expect(text).not.toContain(hidden);
  }
  return { status: answer.status, ...answer.body };
}

const push = (events: readonly unknown[], envelope: object = {}, url = '/api/sync/events') => ({
  ...({ method: 'POST', url: `${url}?include=results`, body: { ...envelope, events } } as const),
});

test.each<[string, () => unknown, object]>([
  ['an edit on an old base', () => putNote('n1', { title: 'B' }, { baseVersion: 0 }), {}],
  ['a delete on an old base', () => removeNote('n1', { baseVersion: 0 }), {}],
  ['an edit dated 1990', () => putNote('n1', {}, { occurredAt: '1990-01-01T00:00:00Z' }), {}],
  ['a delete dated 1990', () => removeNote('n1', { occurredAt: '1990-01-01T00:00:00Z' }), {}],
  ['an edit of a resource with other fields', () => resource({ other: 1 }, 0), {}],
  [
    'a batch that fails as one',
    () => putNote('n1', { title: 'B' }, { baseVersion: 0 }),
    { atomic: true },
  ],
  ['an edit that changes nothing', () => putNote('n1', { title: secret.slice(0, 0) }), {}],
])('%s is answered without the record', async (_what, event, envelope) => {
  const sent = event();
  const answer = await answerWithoutData(push([sent], envelope));
  expect(answer).toMatchObject({ status: 200, success: true });
  // A resend is answered by other code.
  expect(await answerWithoutData(push([sent], envelope))).toMatchObject({ status: 200 });
});

test('a push in a dialect is answered without the record too', async () => {
  const conflict = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  const { identityKey: clientRequestId, ...rest } = conflict;
  const { failed } = await answerWithoutData(push([{ ...rest, clientRequestId }]));
  expect(failed).toMatchObject([{ code: 'CONFLICT', clientRequestId }]);
  const { identityKey, ...inPayload } = putNote('n1', {}, { occurredAt: '1990-01-01T00:00:00Z' });
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
  'a writer that resolves a conflict by %s sees the resolution, and neither side of the conflict',
  async (resolution, more) => {
    const conflict = putNote('n1', { title: secret }, { baseVersion: 0 });
    await service.push([conflict], {}, reader);
    const url = `/api/sync/conflicts/${conflict.identityKey}/resolution`;
    const request = { method: 'POST', url, body: { resolution, ...more } } as const;
    for (const answer of [await answerWithoutData(request), await answerWithoutData(request)]) {
      expect(answer).toEqual({
        status: 200,
        identityKey: conflict.identityKey,
        version: expect.any(Number),
        resolved: expect.objectContaining({ resolution, subject: 'writer' }),
      });
    }
    const other = resolution === 'discard' ? 'force' : 'discard';
    const refused = await answerWithoutData({ ...request, body: { resolution: other } });
    expect(refused.status).toBe(409);
  },
);

test('a reader that resolves a conflict sees both sides', async () => {
  const conflict = putNote('n1', { title: 'mine' }, { baseVersion: 0 });
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
])('%s refuses a token with only sync:push', async (url) => {
  expect((await answerWithoutData({ url })).status).toBe(403);
});
