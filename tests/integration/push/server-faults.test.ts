import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { nextKey, putNote, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, statusesOf, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

/** What fails, until the kind is mended. */
let isMended = false;
const failUntilMended = () => {
  if (!isMended) throw new Error('not mended yet');
};

const entity = z.strictObject({ id: z.string(), fails: z.string().optional() });
type Entity = z.infer<typeof entity>;
const failAt = (step: string) => (value: Entity) => {
  if (value.fails === step) failUntilMended();
  return value;
};

const v2 = entity.extend({ size: z.int() }).refine((value) => failAt('refine')(value).id !== '');

/** Fails where an event says so: the schema, the upcast, the id, the policy, the base, the fold. */
const kindsOf = (entityType: string) => {
  const common = {
    entityType,
    payload: payload(entity.transform(failAt('schema'))).next(v2, (older) => {
      failAt('upcast')(older);
      return { ...older, size: older.fails === 'wrong upcast' && !isMended ? 0.5 : 1 };
    }),
    entityId: (value: Entity) => failAt('id')(value).id,
  };
  return [
    defineKind({
      ...common,
      name: `${entityType}.put`,
      baseVersion: (value) => {
        failAt('base')(value);
        // No word of it, which only plain JavaScript can say.
        return undefined as unknown as number;
      },
      policy: put((value) => ({ size: value.size, was: failAt('policy')(value).fails ?? null })),
    }),
    defineKind({
      ...common,
      entityType: `${entityType}-log`,
      name: `${entityType}-log.add`,
      policy: append((before, value) => {
        failAt('fold')(value);
        return { ids: [...((before?.ids ?? []) as string[]), value.id] };
      }),
    }),
  ];
};

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...kindsOf('box')] });
});
afterAll(() => service.close());

const send = (kind: string, id: string, fails?: string, rest: object = {}): SentEvent => ({
  ...{ identityKey: nextKey(), kind, payload: { id, ...(fails !== undefined && { fails }) } },
  ...rest,
});
const box = (id: string, fails?: string) => send('box.put', id, fails);
const both = (tenant: Tenant, first: SentEvent) =>
  tenant.pushStatuses([
    first,
    box('same'),
    box('other'),
    putNote('n1'),
    send('box-log.add', 'same'),
  ]);

test.each(['policy', 'base'])(
  'where the entity is known by then, only its later events wait for the one that failed: %s',
  async (step) => {
    isMended = false;
    const tenant = await createTenant(service);
    const first = box('same', step);
    const said = ['KIND_FAILED', 'BLOCKED', 'applied', 'applied', 'applied'];
    expect(await both(tenant, first)).toEqual(said);
    const { changes } = await tenant.pull({ entityTypes: 'box' });
    expect(changes.map(({ entityId }) => entityId)).toEqual(['other']);
  },
);

test.each(['schema', 'upcast', 'wrong upcast', 'refine', 'id'])(
  'where the entity is not known, all later events of its type wait: %s',
  async (step) => {
    isMended = false;
    const tenant = await createTenant(service);
    const said = ['KIND_FAILED', 'BLOCKED', 'BLOCKED', 'applied', 'applied'];
    expect(await both(tenant, box('same', step))).toEqual(said);
  },
);

test.each([
  ['a version to come', { kind: 'box.put', version: 3 }, 'UNSUPPORTED_VERSION'],
  ['a kind that is not there yet', { kind: 'box.fold' }, 'UNKNOWN_KIND'],
])('behind %s, all later events of that type wait', async (_what, change, code) => {
  const tenant = await createTenant(service);
  const said = [code, 'BLOCKED', 'BLOCKED', 'applied', 'applied'];
  expect(await both(tenant, { ...box('same'), ...change })).toEqual(said);
});

test('behind a kind of which no other is known, nothing waits', async () => {
  const tenant = await createTenant(service);
  const first = { ...box('same'), kind: 'crate.put' };
  expect(await both(tenant, first)).toEqual(['UNKNOWN_KIND', ...Array(4).fill('applied')]);
});

test.each(['schema', 'upcast', 'wrong upcast', 'refine', 'id', 'policy', 'base'])(
  'once the kind is mended, what was sent first is first again: %s',
  async (step) => {
    isMended = false;
    const tenant = await createTenant(service);
    const queue = [box('same', step), box('same'), send('box-log.add', 'a', 'fold')];
    await tenant.push(queue);
    isMended = true;
    expect(await tenant.pushStatuses(queue)).toEqual(Array(3).fill('applied'));
    const versions = (await tenant.log()).map(({ identityKey }) => identityKey);
    expect(versions).toEqual(queue.map(({ identityKey }) => identityKey));
  },
);

test("the server's fault is said to be its own, and so is the wait of what stands behind it", async () => {
  isMended = false;
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([
    box('a', 'upcast'),
    box('b'),
    send('box-log.add', 'c', 'fold'),
    send('box-log.add', 'c'),
    send('box-log.add', 'd', undefined, { version: 9 }),
    putNote('n1', {}, { kind: 'note.fold' }),
    putNote('n1'),
  ]);
  const servers = { retryable: true, fault: 'server', retryAfterMs: 30_000 };
  expect(failed).toMatchObject(
    ['KIND_FAILED', 'BLOCKED', 'KIND_FAILED', 'BLOCKED', 'UNSUPPORTED_VERSION']
      .concat('UNKNOWN_KIND', 'BLOCKED')
      .map((code) => ({ code, ...servers })),
  );
});

test('what a client has to mend, or another of its events, is not said to be the server’s', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([
    { ...box('a'), payload: {} },
    { ...putNote('n1'), kind: 'note.patch', payload: { noteId: 'n1', title: 'A' } },
    putNote('n1'),
  ]);
  expect(failed.map(({ code }) => code)).toEqual(['INVALID_PAYLOAD', 'NOT_FOUND', 'BLOCKED']);
  for (const entry of failed) expect(entry).not.toHaveProperty('fault');
});

test('an atomic batch waits for the server where nothing else is wrong with it', async () => {
  isMended = false;
  const tenant = await createTenant(service);
  const broken = box('a', 'policy');
  const waits = await tenant.push([putNote('n1'), broken], { atomic: true });
  expect(waits.failed).toMatchObject([
    { code: 'BATCH_ABORTED', fault: 'server', retryAfterMs: 30_000 },
    { code: 'KIND_FAILED', fault: 'server', retryAfterMs: 30_000 },
  ]);
  const wrong = await tenant.push([putNote('n1'), broken, { ...box('b'), payload: {} }], {
    atomic: true,
  });
  expect(statusesOf(wrong)).toEqual(['BATCH_ABORTED', 'KIND_FAILED', 'INVALID_PAYLOAD']);
  expect(wrong.failed[0]).not.toHaveProperty('fault');
});

test('a wrong upcast is in the log with the words of its schema, and not in the answer', async () => {
  isMended = false;
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([box('a', 'wrong upcast')]);
  expect(failed[0]).not.toHaveProperty('path');
  expect(JSON.stringify(failed)).not.toContain('integer');
  expect(service.logLines).toContainEqual(
    expect.objectContaining({
      event: 'kind.failed',
      fault: expect.objectContaining({ message: expect.stringMatching(/size: .*expected int/) }),
    }),
  );
});
