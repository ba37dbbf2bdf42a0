import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestProblems } from '../../src/domain/errors.ts';
import { type Examples, examplesFile } from '../../src/http/openapi/examples.ts';
import { startApp, type TestApp, type TestRequest } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env: { MAX_BATCH_EVENTS: '5', MAX_BODY_BYTES: '2048' } });
});
afterAll(() => service.close());

const push = '/api/sync/events';
const pull = '/api/sync/changes';
const put = (key: string, noteId: string, title: string, rest: object = {}) => ({
  identityKey: key,
  kind: 'note.put',
  payload: { noteId, title, body: '' },
  ...rest,
});

test('the examples in openapi.yaml are what a real service answers', async () => {
  const recorded = await record();
  if (process.env.UPDATE_EXAMPLES === '1') {
    writeFileSync(examplesFile, `${JSON.stringify(recorded, null, 2)}\n`);
  }
  const committed: Examples = JSON.parse(readFileSync(examplesFile, 'utf8'));
  expect(masked(recorded)).toEqual(masked(committed));
});

async function record(): Promise<Examples> {
  await service.push([put('tablet-1', 'n2', 'From the tablet')], {}, { device: 'tablet' });
  const batch = {
    sentAt: '2026-11-21T10:00:05.000Z',
    events: [
      put('phone-1', 'n1', 'Groceries', { occurredAt: '2026-11-21T09:12:00.000Z' }),
      put('phone-2', 'n2', 'From the phone', { occurredAt: '2026-11-21T09:13:00.000Z' }),
      { identityKey: 'phone-3', kind: 'note.patch', payload: { noteId: 'n3', title: 'Later' } },
      put('phone-4', 'n1', 'Shopping', { baseVersion: 0 }),
      put('phone-5', 'n4', 'Draft', { kind: 'note.remove', payload: { noteId: 'n4' } }),
    ],
  };
  const sender = { device: 'phone' };
  const first = await service.request({ method: 'POST', url: push, body: batch, sender });
  const resend = { method: 'POST', url: `${push}?include=results`, body: batch, sender } as const;
  const again = await service.request(resend);
  const page = await service.request({ url: pull });
  const colony = [
    {
      kind: 'research.queue',
      payload: {
        identityKey: 'e7-research-laser-1763716320000',
        empireId: 'e7',
        locationCoord: 'A00:12:34:05',
        catalogKey: 'laser',
      },
    },
  ];
  const ordered = await service.request({ method: 'POST', url: push, body: colony, sender });
  return {
    pushBody: { 'five events of a phone': batch, 'a bare array': colony },
    pushAnswer: {
      'the first time': first.body,
      'sent again, with ?include=results': again.body,
      'to a bare array': ordered.body,
    },
    pullAnswer: { bootstrap: page.body },
    ...(await recordSales()),
    ...(await recordConflict()),
    problems: await recordProblems(page.body.checkpoint),
  };
}

async function recordSales() {
  const aggregate = { id: 'T-1', type: 'ticket' };
  const at = Date.UTC(2026, 10, 21, 9, 12);
  const body = [
    { id: 'till-1', seq: 1, at, type: 'ticket.opened', aggregate, payload: { register: 'R1' } },
    { id: 'till-3', seq: 3, at, type: 'ticket.closed', aggregate, payload: {} },
  ];
  const answer = await service.request({ method: 'POST', url: '/api/events', body });
  return { salesBody: { 'two facts of a ticket': body }, salesAnswer: { 'a gap': answer.body } };
}

/** `phone-4` of the first batch was made on version 0, and its batch had changed the note by then. */
async function recordConflict() {
  const open = await service.request({ url: '/api/sync/conflicts' });
  const body = {
    resolution: 'merge',
    payload: { noteId: 'n1', title: 'Groceries and shopping', body: '' },
  };
  const url = '/api/sync/conflicts/phone-4/resolution';
  const settled = await service.request({ method: 'POST', url, body });
  const history = await service.request({ url: '/api/sync/entities/note/n1/events?limit=2' });
  const receipts = await service.request({
    url: '/api/sync/receipts?identityKeys=phone-4,phone-9',
  });
  return {
    conflictsAnswer: { open: open.body },
    resolutionBody: { merge: body },
    resolutionAnswer: { merged: settled.body },
    historyAnswer: { 'the newest two events': history.body },
    receiptsAnswer: { 'one stored, one not': receipts.body },
  };
}

async function recordProblems(checkpoint: string): Promise<Examples['problems']> {
  const post = (body: TestRequest['body'], headers = {}): TestRequest => ({
    method: 'POST',
    url: push,
    headers,
    ...(body !== undefined && { body }),
  });
  const requests: TestRequest[] = [
    { url: pull, headers: { authorization: '' } },
    { url: pull, headers: { authorization: 'Bearer not.a.token' } },
    { url: pull, sender: { tenant: '' } },
    { url: pull, sender: { scope: 'sync:push' } },
    post('{'),
    post(Buffer.from([0x22, 0xff, 0x22])),
    post(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`),
    post({ events: [1], tenant: 'another' }),
    post({ events: [] }),
    post({ events: [1, 2, 3, 4, 5, 6] }),
    post({ events: ['x'.repeat(3000)] }),
    post('{}', { 'content-type': 'text/plain' }),
    post('{}', { 'content-encoding': 'lzma' }),
    post('{}', { 'content-encoding': 'gzip' }),
    { url: `${pull}?limit=0` },
    { url: `${pull}?since=nonsense` },
    { ...post({ resolution: 'force' }), url: '/api/sync/conflicts/phone-4/resolution' },
    { ...post({ resolution: 'force' }), url: '/api/sync/conflicts/phone-1/resolution' },
  ];
  const answers = [];
  for (const request of requests) answers.push(await service.request(request));
  await expireCheckpoints();
  answers.push(await service.request({ url: `${pull}?since=${checkpoint}` }));
  for (const { status, body } of answers) expect(status).toBe(statusOf(body.code));
  return Object.fromEntries(answers.map(({ body }) => [body.code, body]));
}

/** What the retention job does, once it has purged every tombstone. */
async function expireCheckpoints(): Promise<void> {
  await service.push([put('phone-6', 'n5', 'After the checkpoint')]);
  await service.sql('UPDATE tenants SET horizon = head');
}

function statusOf(code: keyof typeof requestProblems): number {
  return requestProblems[code].status;
}

/** Times and checkpoints differ from run to run; everything else has to agree. */
function masked(value: unknown): unknown {
  const volatile =
    /^(checkpoint|receivedAt|createdAt|updatedAt|effectiveAt|serverTime|resolvedAt|lastAt|resends|epoch)$/;
  return JSON.parse(
    JSON.stringify(value, (key, inner) => (volatile.test(key) ? `<${key}>` : inner)),
  );
}
