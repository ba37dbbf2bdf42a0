import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { accept, decide, patchRecord } from '../../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { rehearse } from '../../../src/testing/rehearse.ts';
import { nextKey, putNote, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';
import { collectUnhandledRejections } from '../../testkit/processes/unhandled-rejections.ts';

const reader = defineKind({
  name: 'reader.read',
  entityType: 'reader',
  payload: payload(z.strictObject({ id: z.string(), count: z.int() })),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ count }) =>
      Array.from({ length: count }, (_, at) => ({ entityType: 'shelf', entityId: `s${at}` })),
    decide: () => accept(),
  }),
});

const textSchema = z.strictObject({ id: z.string(), text: z.string() });
const growing = { payload: payload(textSchema), entityId: ({ id }: { id: string }) => id };

const lineAdded = defineKind({
  ...growing,
  name: 'journal.line-added',
  entityType: 'journal',
  policy: append((before, { text }) => ({ text: z.string().parse(before?.text ?? '') + text })),
});
const cut = defineKind({
  ...growing,
  name: 'journal.cut',
  entityType: 'journal',
  policy: append((before) => ({
    text: z
      .string()
      .parse(before?.text ?? '')
      .slice(1),
  })),
});
const sheetPut = defineKind({
  ...growing,
  name: 'sheet.put',
  entityType: 'sheet',
  policy: put(({ text }) => ({ text })),
});
const columnAdded = defineKind({
  ...growing,
  name: 'sheet.add-column',
  entityType: 'sheet',
  policy: patch(({ text }) => ({ [`column-${text.slice(0, 1)}`]: text })),
});
const columnDecided = defineKind({
  ...growing,
  name: 'column.decide',
  entityType: 'column',
  policy: decide({
    reads: () => [{ entityType: 'sheet', entityId: 'a' }],
    decide: ({ text }) =>
      accept(patchRecord({ entityType: 'sheet', entityId: 'a' }, { [text.slice(0, 1)]: text })),
  }),
});

/** Checks that have to wait, past what the types say of it. */
const waits = (how: () => Promise<boolean>) => z.string().refine(how);
const slowSchemas = {
  'a refine that resolves': waits(async () => true),
  'a refine that rejects': waits(async () => {
    throw new Error('it failed later');
  }),
  'a refine that rejects later': waits(async () => {
    await sleep(1);
    throw new Error('it failed later');
  }),
  'a transform that rejects': z.string().transform(async () => {
    throw new Error('it failed later');
  }),
};
const slowKinds = Object.entries(slowSchemas).map(([, text], index) =>
  defineKind({
    name: `slow.check${index}`.replace(/\d/, (digit) => 'abcd'[Number(digit)] ?? ''),
    entityType: 'slow',
    payload: payload(z.strictObject({ id: z.string(), text })),
    entityId: ({ id }) => id,
    policy: put(() => ({})),
  }),
);

const own = [reader, lineAdded, cut, sheetPut, columnAdded, columnDecided, ...slowKinds];
const kinds = [...bundledKinds, ...own];
/** Records may be twice as long. */
const maxEventBytes = 1_000;

let service: TestApp;
let unhandled: ReturnType<typeof collectUnhandledRejections>;
beforeAll(async () => {
  service = await startApp({ kinds, env: { MAX_EVENT_BYTES: `${maxEventBytes}` } });
});
afterAll(() => service.close());
beforeEach(() => {
  unhandled = collectUnhandledRejections();
});
afterEach(() => unhandled.stop());

function send(kind: string, fields: object): SentEvent {
  return { identityKey: nextKey(), kind, payload: { id: 'a', ...fields } };
}

const grownFaults = () =>
  service.logLines.filter(
    ({ event, fault }) =>
      event === 'kind.failed' && /refuseGrowth/.test((fault as Error).stack ?? ''),
  ).length;

test('an event whose kind would read more records than it may is refused, and its neighbours are not', async () => {
  const tenant = await createTenant(service);
  const [most, tooMany] = [
    send('reader.read', { count: 100 }),
    send('reader.read', { count: 101 }),
  ];
  const { results, failed } = await tenant.push([most, tooMany, putNote('n1')]);
  expect(results?.map(({ status }) => status)).toEqual(['noop', 'failed', 'applied']);
  expect(failed).toMatchObject([
    {
      ...{ identityKey: tooMany.identityKey, code: 'INVALID_PAYLOAD', retryable: false },
      ...{ path: 'payload', message: 'reader.read would read 101 records, at most 100' },
    },
  ]);
});

describe('a record that would outgrow its bound', () => {
  const half = 'x'.repeat(850);
  const grown: readonly (readonly [string, (tenant: Tenant) => Promise<readonly SentEvent[]>])[] = [
    ['by a fold', async () => [1, 2, 3].map(() => send('journal.line-added', { text: half }))],
    [
      'by one patch after the other',
      async () => [
        send('sheet.put', { text: '' }),
        ...['a', 'b', 'c'].map((name) => send('sheet.add-column', { text: name + half })),
      ],
    ],
    [
      'by a decision',
      async () => [
        send('sheet.put', { text: '' }),
        ...['a', 'b', 'c'].map((name) => send('column.decide', { text: name + half })),
      ],
    ],
  ];

  test.each(grown)(
    '%s: that event fails alone, and it is logged as the kind’s',
    async (_how, of) => {
      const tenant = await createTenant(service);
      const events = await of(tenant);
      const before = grownFaults();
      const { results, failed } = await tenant.push([...events, putNote('n1')]);
      const expected = events.map((_event, at) =>
        at === events.length - 1 ? 'failed' : 'applied',
      );
      expect(results?.map(({ status }) => status)).toEqual([...expected, 'applied']);
      expect(failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
      expect(grownFaults() - before).toBe(1);
      expect(await tenant.head()).toBe(events.length);
    },
  );

  test('may shrink, where the bound was lowered since', async () => {
    const tenant = await createTenant(service);
    await tenant.push([1, 2].map(() => send('journal.line-added', { text: half })));
    const env = { MAX_EVENT_BYTES: '500' };
    const lowered = await startApp({ kinds, env, database: service.database });
    try {
      const push = async (event: SentEvent) => lowered.push([event], {}, tenant.sender());
      const added = send('journal.line-added', { text: 'one more' });
      expect(await push(added)).toMatchObject({ failed: [{ code: 'KIND_FAILED' }] });
      expect(await push(send('journal.cut', { text: '' }))).toMatchObject({ failed: [] });
    } finally {
      await lowered.close();
    }
  });

  test('fails in a rehearsal too, so that its author meets it first', () => {
    const text = 'x'.repeat(60_000);
    const events = [1, 2, 3].map(() => send('journal.line-added', { text }));
    const { answers, faults } = rehearse(kinds, [{ events }]);
    expect(answers[0]?.failed).toMatchObject([{ code: 'KIND_FAILED' }]);
    expect(String(faults[0])).toContain('a record of type journal would grow to 180011 characters');
  });
});

test.each(Object.keys(slowSchemas).map((name, index) => [name, slowKinds[index]?.name ?? '']))(
  '%s in a kind’s schema: the event fails alone, and nothing is left unhandled',
  async (_what, kind) => {
    const tenant = await createTenant(service);
    const batch = [putNote('n1'), send(kind, { text: 'x' }), putNote('n2')];
    const { results, failed } = await tenant.push(batch);
    expect(results?.map(({ status }) => status)).toEqual(['applied', 'failed', 'applied']);
    expect(failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
    await sleep(10);
    expect(await unhandled.all()).toEqual([]);
  },
);

test('a payload that an async check never sees is refused for what is wrong with it', async () => {
  const tenant = await createTenant(service);
  const { failed } = await tenant.push([send(slowKinds[0]?.name ?? '', { text: 7 })]);
  expect(failed).toMatchObject([{ code: 'INVALID_PAYLOAD', path: 'payload.text' }]);
});
