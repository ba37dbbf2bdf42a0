import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditOf } from '../testkit/app/audit.ts';
import { storeroomKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { nextKey, patchNote, putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { allScopes } from '../../src/http/auth/issue-token.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: storeroomKinds, env: { MAX_EVENT_BYTES: '1000' } });
});
afterAll(() => service.close());

async function collide() {
  const tenant = await createTenant(service);
  const loser = putNote('n1', { title: 'mine' }, { baseVersion: 1 });
  await tenant.push([putNote('n1'), putNote('n1', { title: 'theirs' }), loser]);
  const audit = auditOf(tenant);
  return { tenant, loser, resolve: (body: object) => audit.resolve(loser.identityKey, body) };
}

/** Checks that nothing was stored and that the conflict can still be resolved. */
async function expectOpen(tenant: Tenant, identityKey: string, head: number) {
  const audit = auditOf(tenant);
  expect(await tenant.head()).toBe(head);
  expect(await audit.conflict(identityKey)).toMatchObject({ resolved: null });
  const discarded = await audit.resolve(identityKey, { resolution: 'discard' });
  expect(discarded).toMatchObject({ status: 200 });
}

const note = { noteId: 'n1', title: '', body: '' };

describe('an invalid request', () => {
  test.each([
    ['no resolution', {}, 'resolution'],
    ['an unknown resolution', { resolution: 'undo' }, 'resolution'],
    ['an unknown field', { resolution: 'discard', tenant: 't2' }, 'tenant'],
    ['a payload without a merge', { resolution: 'force', payload: note }, 'payload'],
    ['a merge without payload', { resolution: 'merge' }, 'payload'],
    ['a payload of another shape', { resolution: 'merge', payload: 7 }, 'payload'],
    ['a field missing', { resolution: 'merge', payload: { noteId: 'n1', body: '' } }, 'title'],
    ['a field too many', { resolution: 'merge', payload: { ...note, colour: 1 } }, 'colour'],
    ['another entity', { resolution: 'merge', payload: { ...note, noteId: 'n2' } }, 'payload'],
    ['U+0000', { resolution: 'merge', payload: { ...note, body: 'a\u0000b' } }, 'body'],
    ['an unsafe integer', { resolution: 'merge', payload: { ...note, body: 2 ** 60 } }, 'body'],
    [
      'more bytes than an event may have',
      { resolution: 'merge', payload: { ...note, body: 'x'.repeat(1000) } },
      'payload',
    ],
  ])('is refused, and the answer names the invalid field: %s', async (_what, body, field) => {
    const { tenant, loser, resolve } = await collide();
    const answer = await resolve(body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_ENVELOPE' } });
    const inPayload = !['resolution', 'tenant', 'payload'].includes(field);
    expect(answer.body.path).toBe(inPayload ? `payload.${field}` : field);
    await expectOpen(tenant, loser.identityKey, 3);
  });

  test('without a body, or with a list, is refused', async () => {
    const url = '/api/sync/conflicts/k/resolution';
    expect(await service.request({ method: 'POST', url })).toMatchObject({ status: 400 });
    expect(await service.request({ method: 'POST', url, body: '[]' })).toMatchObject({
      status: 400,
      body: { code: 'INVALID_ENVELOPE' },
    });
  });
});

describe('a resolution is refused', () => {
  test('for a patch of an unknown record', async () => {
    const tenant = await createTenant(service);
    const stale = patchNote('n1', { title: 'B' }, { baseVersion: 5 });
    await tenant.push([stale]);
    expect(await auditOf(tenant).resolve(stale.identityKey, { resolution: 'force' })).toMatchObject(
      { status: 409, body: { code: 'RESOLUTION_REFUSED', failure: 'NOT_FOUND' } },
    );
    await expectOpen(tenant, stale.identityKey, 1);
  });

  test('while the kind rejects the event', async () => {
    const tenant = await createTenant(service);
    const admin = { ...tenant.sender(), scope: `${allScopes} shelf:admin` };
    const room = (count: number) =>
      service.push(
        [{ identityKey: nextKey(), kind: 'shelf.put', payload: { id: 's', room: count } }],
        {},
        admin,
      );
    await room(1);
    const place = (rest: object = {}) => ({
      identityKey: nextKey(),
      kind: 'thing.place',
      payload: { id: 'a', shelf: 's' },
      ...rest,
    });
    const again = place({ baseVersion: 0 });
    expect(await tenant.pushStatuses([place(), again])).toEqual(['applied', 'CONFLICT']);
    const audit = auditOf(tenant);
    const force = () => audit.resolve(again.identityKey, { resolution: 'force' });
    expect(await force()).toMatchObject({
      status: 409,
      body: { code: 'RESOLUTION_REFUSED', failure: 'NO_ROOM', detail: 'no room on s' },
    });
    expect(await tenant.head()).toBe(3);
    await room(5);
    expect(await force()).toMatchObject({ status: 200, body: { resolved: { version: 5 } } });
    expect((await tenant.record('s'))?.data).toEqual({ room: 4 });
  });

  test('if the kind throws, and the error is logged and not answered', async () => {
    const tenant = await createTenant(service);
    const payload = { id: 'a', shelf: 'cursed' };
    const stale = { identityKey: nextKey(), kind: 'thing.place', payload, baseVersion: 9 };
    await tenant.push([stale]);
    const answer = await auditOf(tenant).resolve(stale.identityKey, { resolution: 'force' });
    expect(answer).toMatchObject({
      status: 409,
      body: { code: 'RESOLUTION_REFUSED', failure: 'KIND_FAILED' },
    });
    const message = 'nobody expected this shelf';
    expect(JSON.stringify(answer.body)).not.toContain(message);
    expect(service.logLines).toContainEqual(
      expect.objectContaining({
        event: 'kind.failed',
        fault: expect.objectContaining({ stack: expect.stringContaining('tests') }),
      }),
    );
    await expectOpen(tenant, stale.identityKey, 1);
  });

  test('if another event has the same sequence number', async () => {
    const tenant = await createTenant(service);
    const page = (sequence: number, text: string, rest: object = {}) => ({
      identityKey: nextKey(),
      kind: 'page.put',
      version: 2,
      sequence,
      payload: { id: 'p', text },
      ...rest,
    });
    const stale = page(2, 'mine', { baseVersion: 0 });
    expect(await tenant.pushStatuses([page(1, 'a'), stale, page(2, 'b')])).toEqual([
      'applied',
      'CONFLICT',
      'applied',
    ]);
    const audit = auditOf(tenant);
    expect(await audit.resolve(stale.identityKey, { resolution: 'force' })).toMatchObject({
      status: 409,
      body: { code: 'RESOLUTION_REFUSED', failure: 'SEQUENCE_CONFLICT' },
    });
    await expectOpen(tenant, stale.identityKey, 3);
  });
});

test('a forced edit uses its sequence number, and a discarded edit frees it', async () => {
  const statuses: (readonly string[])[] = [];
  for (const resolution of ['force', 'discard']) {
    const tenant = await createTenant(service);
    const page = (sequence: number, text: string, rest: object = {}) => ({
      identityKey: nextKey(),
      kind: 'page.put',
      sequence,
      payload: { id: 'p', words: text },
      ...rest,
    });
    const stale = page(2, 'mine', { baseVersion: 0 });
    await tenant.push([page(1, 'a'), stale]);
    const answer = await auditOf(tenant).resolve(stale.identityKey, { resolution });
    expect(answer.status).toBe(200);
    statuses.push(await tenant.pushStatuses([page(2, 'b'), page(3, 'c')]));
  }
  expect(statuses).toEqual([
    ['SEQUENCE_CONFLICT', 'applied'],
    ['applied', 'applied'],
  ]);
});

test('a merged payload has the newest version, and a forced edit keeps its own', async () => {
  const versions: unknown[] = [];
  for (const body of [
    { resolution: 'force' },
    { resolution: 'merge', payload: { id: 'p', text: 'mine' } },
  ]) {
    const tenant = await createTenant(service);
    const old = {
      identityKey: nextKey(),
      kind: 'page.put',
      sequence: 1,
      baseVersion: 7,
      payload: { id: 'p', words: 'mine' },
    };
    await tenant.push([old]);
    const answer = await auditOf(tenant).resolve(old.identityKey, body);
    expect(answer.body.current).toMatchObject({ data: { text: 'mine' } });
    const { events } = await auditOf(tenant).history('page', 'p');
    versions.push([events[0]?.kindVersion, events[0]?.payload]);
  }
  expect(versions).toEqual([
    [1, { id: 'p', words: 'mine' }],
    [2, { id: 'p', text: 'mine' }],
  ]);
});

test('a conflict of a kind with a scope can be resolved only with this scope', async () => {
  const tenant = await createTenant(service);
  const admin = { ...tenant.sender(), scope: `${allScopes} shelf:admin` };
  const identityKey = nextKey();
  const stale = { kind: 'shelf.put', payload: { id: 's', room: 1 }, identityKey, baseVersion: 9 };
  await service.push([stale], {}, admin);
  const url = `/api/sync/conflicts/${identityKey}/resolution`;
  for (const resolution of ['force', 'discard']) {
    const answer = await auditOf(tenant).resolve(identityKey, { resolution });
    expect(answer).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect(answer.body.detail).toContain('shelf:admin');
  }
  const body = { resolution: 'force' };
  const answer = await service.request({ method: 'POST', url, body, sender: admin });
  expect(answer).toMatchObject({ status: 200, body: { current: { data: { room: 1 } } } });
});
