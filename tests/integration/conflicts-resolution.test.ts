import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditOf } from '../testkit/app/audit.ts';
import { storeroomKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { nextKey, patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: storeroomKinds });
});
afterAll(() => service.close());

/** Creates a note at version 2 and a refused edit of version 1. `since` is the checkpoint before the edit. */
async function collide(edit: object = { title: 'mine' }) {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'old', body: 'b' })]);
  await tenant.push([patchNote('n1', { title: 'theirs' })], {}, 'tablet');
  const { checkpoint: since } = await tenant.pull();
  const loser = putNote('n1', { body: 'b', ...edit }, { baseVersion: 1 });
  await tenant.push([loser], {}, 'phone');
  const audit = auditOf(tenant);
  const resolve = (body: object, device?: string) => audit.resolve(loser.identityKey, body, device);
  return { tenant, since, loser, audit, resolve };
}

const merged = { noteId: 'n1', title: 'ours', body: 'both' };

describe('the resolution of a conflict by', () => {
  test('discard leaves the record as it is', async () => {
    const { tenant, since, resolve } = await collide();
    const { status, body } = await resolve({ resolution: 'discard' }, 'desk');
    expect(status).toBe(200);
    expect(body.current).toMatchObject({ version: 2, data: { title: 'theirs', body: 'b' } });
    expect(body.resolved).toMatchObject({ resolution: 'discard', version: 4, deviceId: 'desk' });
    const page = await tenant.pull({ since });
    expect(page).toMatchObject({ changes: [], position: 5 });
    expect((await tenant.log()).at(-1)).toMatchObject({ version: 4, outcome: 'noop' });
  });

  test('force applies the edit to the current record', async () => {
    const { tenant, since, resolve } = await collide();
    await tenant.push([patchNote('n1', { body: 'later' })], {}, 'tablet');
    const { status, body } = await resolve({ resolution: 'force' }, 'desk');
    expect(status).toBe(200);
    expect(body.current).toMatchObject({ version: 5, data: { title: 'mine', body: 'b' } });
    expect(body.differingFields).toEqual([]);
    const { changes } = await tenant.pull({ since });
    expect(changes).toEqual([body.current]);
  });

  test('merge applies the payload of the request', async () => {
    const { tenant, since, resolve } = await collide();
    const { status, body } = await resolve({ resolution: 'merge', payload: merged }, 'desk');
    expect(status).toBe(200);
    expect(body.current).toMatchObject({ version: 4, data: { title: 'ours', body: 'both' } });
    expect((await tenant.pull({ since })).changes).toEqual([body.current]);
  });

  test('any of them stores the subject, the time and the device', async () => {
    const { audit, loser, resolve, tenant } = await collide();
    await resolve({ resolution: 'force' }, 'desk');
    const { resolved } = await audit.conflict(loser.identityKey);
    const row = (await tenant.log()).at(-1);
    expect(resolved).toEqual({
      resolution: 'force',
      version: 4,
      resolvedAt: new Date(Math.floor((row?.receivedAt ?? 0) / 1000)).toISOString(),
      deviceId: 'desk',
      subject: 'user',
    });
  });

  test('force deletes the record if the edit was a delete', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1'), putNote('n1', { title: 'B' })]);
    const stale = removeNote('n1', { baseVersion: 1 });
    await tenant.push([stale]);
    const { body } = await auditOf(tenant).resolve(stale.identityKey, { resolution: 'force' });
    expect(body.current).toMatchObject({ version: 4, deleted: true, data: { title: 'B' } });
  });

  test('force wins against a record with a later effective time', async () => {
    const { tenant, resolve } = await collide();
    await tenant.push([putNote('n1', { title: 'future' }, { occurredAt: '2199-01-01T00:00:00Z' })]);
    const { body } = await resolve({ resolution: 'force' });
    expect(body.current).toMatchObject({ version: 5, data: { title: 'mine' } });
  });

  test('merge restores a record that was deleted meanwhile', async () => {
    const { tenant, resolve, since } = await collide();
    await tenant.push([removeNote('n1')], {}, 'tablet');
    const { body } = await resolve({ resolution: 'merge', payload: merged });
    expect(body.current).toMatchObject({ version: 5, deleted: false, data: { title: 'ours' } });
    expect((await tenant.pull({ since })).changes).toEqual([body.current]);
  });

  test('force works for a create that met a record', async () => {
    const tenant = await createTenant(service);
    const box = (label: string) => ({
      identityKey: nextKey(),
      kind: 'box.create',
      payload: { id: 'b1', label },
    });
    const second = box('B');
    await tenant.push([box('A'), second]);
    const { body } = await auditOf(tenant).resolve(second.identityKey, { resolution: 'force' });
    expect(body.current).toMatchObject({ version: 3, data: { label: 'B' } });
  });
});

describe('a resolution that is sent again', () => {
  test.each([
    { resolution: 'discard' },
    { resolution: 'force' },
    { resolution: 'merge', payload: merged },
  ])('gets the same answer and stores nothing: $resolution', async (body) => {
    const { tenant, resolve } = await collide();
    const first = await resolve(body, 'desk');
    const second = await resolve(body, 'another desk');
    expect(first.status).toBe(200);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect(await tenant.head()).toBe(4);
  });

  test('with another resolution is refused and changes nothing', async () => {
    const { tenant, audit, loser, resolve } = await collide();
    await resolve({ resolution: 'merge', payload: merged });
    const before = await audit.conflict(loser.identityKey);
    for (const body of [
      { resolution: 'discard' },
      { resolution: 'force' },
      { resolution: 'merge', payload: { ...merged, title: 'other' } },
    ]) {
      expect(await resolve(body)).toMatchObject({
        status: 409,
        body: { code: 'ALREADY_RESOLVED', retryable: false },
      });
    }
    expect(await audit.conflict(loser.identityKey)).toEqual(before);
    expect(await tenant.head()).toBe(4);
  });

  test.each(['discard', 'force'])(
    'is equal with a null payload and without a payload: %s',
    async (resolution) => {
      const { tenant, resolve } = await collide();
      const first = await resolve({ resolution, payload: null });
      expect(first.status).toBe(200);
      expect((await resolve({ resolution })).body).toEqual(first.body);
      expect(await tenant.head()).toBe(4);
    },
  );

  test('is equal if the fields of a merge are in another order', async () => {
    const { tenant, resolve } = await collide();
    await resolve({ resolution: 'merge', payload: merged });
    const turned = Object.fromEntries(Object.entries(merged).toReversed());
    expect((await resolve({ resolution: 'merge', payload: turned })).status).toBe(200);
    expect(await tenant.head()).toBe(4);
  });

  test('does not change the answer to a resend of the edit: it is a conflict as before', async () => {
    const { tenant, loser, resolve } = await collide();
    await resolve({ resolution: 'force' });
    const { failed } = await tenant.push([loser], {}, 'phone');
    expect(failed).toMatchObject([
      { code: 'CONFLICT', current: { version: 4, data: { title: 'mine' } }, differingFields: [] },
    ]);
    expect(await tenant.head()).toBe(4);
  });
});

describe('of concurrent resolutions', () => {
  test('50 different ones store only one', async () => {
    const { tenant, audit, loser, resolve } = await collide();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => {
        const payload = { ...merged, title: `of ${at}` };
        return resolve({ resolution: 'merge', payload }, `desk-${at}`);
      }),
    );
    const [winner, ...others] = answers.filter(({ status }) => status === 200);
    expect(others).toEqual([]);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49);
    const codes = new Set(answers.map(({ body }) => body.code));
    expect(codes).toEqual(new Set([undefined, 'ALREADY_RESOLVED']));
    expect(await tenant.head()).toBe(4);
    expect(await audit.conflict(loser.identityKey)).toEqual(winner?.body);
  });

  test('50 equal ones on two processes store only one', async () => {
    const second = await startApp({ kinds: storeroomKinds, database: service.database });
    try {
      const { tenant, loser } = await collide();
      const audits = [auditOf(tenant), auditOf(tenant, second)];
      const answers = await Promise.all(
        Array.from({ length: 25 }).flatMap(() =>
          audits.map((audit) => audit.resolve(loser.identityKey, { resolution: 'force' })),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
      expect(await tenant.head()).toBe(4);
    } finally {
      await second.close();
    }
  });

  test('and edits of another device none is lost', async () => {
    const { tenant, since, loser, audit, resolve } = await collide();
    const edits = Array.from({ length: 20 }, (_, at) => patchNote('n1', { body: `edit ${at}` }));
    const [answer] = await Promise.all([
      resolve({ resolution: 'force' }),
      ...edits.map((edit) => tenant.push([edit], {}, 'tablet')),
    ]);
    expect(answer.status).toBe(200);
    const log = await tenant.log();
    expect(log).toHaveLength(24);
    expect(new Set(log.slice(3).map(({ outcome }) => outcome))).toEqual(new Set(['applied']));
    const record = await tenant.record('n1');
    expect(record?.data?.title).toBe('mine');
    expect(record?.data?.body).toMatch(
      log.at(-1)?.identityKey.startsWith('landfall:') ? /^b$/ : /^edit /,
    );
    expect((await audit.conflict(loser.identityKey)).current).toEqual(record);
    expect((await tenant.pull({ since })).changes).toEqual([record]);
  });
});
