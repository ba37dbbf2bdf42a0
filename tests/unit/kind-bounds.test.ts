import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { append } from '../../src/domain/kinds/policies/append.ts';
import { accept, decide, patchRecord } from '../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { rehearse, type RehearsalStart } from '../../src/testing/rehearse.ts';
import { nextKey, putNote, type SentEvent } from '../testkit/events/sent-events.ts';
import { collectUnhandledRejections } from '../testkit/processes/unhandled-rejections.ts';

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

let unhandled: ReturnType<typeof collectUnhandledRejections>;
beforeEach(() => {
  unhandled = collectUnhandledRejections();
});
afterEach(() => unhandled.stop());

function send(kind: string, fields: object): SentEvent {
  return { identityKey: nextKey(), kind, payload: { id: 'a', ...fields } };
}

function rehearseBatch(events: readonly SentEvent[], start: RehearsalStart = {}) {
  const { answers, faults } = rehearse(kinds, [{ events }], start);
  const { failed = [], results = [] } = answers[0] ?? {};
  return { failed, faults, statuses: results.map(({ status }) => status) };
}

test('an event whose kind would read too many records is refused, and the other events of the batch are not', () => {
  const [most, tooMany] = [
    send('reader.read', { count: 100 }),
    send('reader.read', { count: 101 }),
  ];
  const { statuses, failed } = rehearseBatch([most, tooMany, putNote('n1')]);
  expect(statuses).toEqual(['noop', 'failed', 'applied']);
  expect(failed).toMatchObject([
    {
      ...{ identityKey: tooMany.identityKey, code: 'INVALID_PAYLOAD', retryable: false },
      ...{ path: 'payload', message: 'reader.read would read 101 records, at most 100' },
    },
  ]);
});

describe('a record that would become too long', () => {
  const half = 'x'.repeat(60_000);
  const columns = (kind: string) =>
    ['a', 'b', 'c'].map((name) => send(kind, { text: name + half }));

  test.each<[string, string, readonly SentEvent[]]>([
    ['a fold', 'journal', [1, 2, 3].map(() => send('journal.line-added', { text: half }))],
    ['patches', 'sheet', [send('sheet.put', { text: '' }), ...columns('sheet.add-column')]],
    ['decisions', 'sheet', [send('sheet.put', { text: '' }), ...columns('column.decide')]],
  ])('by %s fails only the event that makes it too long', (_how, entityType, events) => {
    const { statuses, failed, faults } = rehearseBatch([...events, putNote('n1')]);
    expect(statuses).toEqual([...events.slice(1).map(() => 'applied'), 'failed', 'applied']);
    expect(failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
    expect(faults.map(String)).toEqual([
      expect.stringContaining(`a record of type ${entityType} would grow to 1800`),
    ]);
  });

  test('may become shorter, if the maximum was lowered', () => {
    const data = { text: 'x'.repeat(140_000) };
    const records = [{ entityType: 'journal', entityId: 'a', data }];
    const added = send('journal.line-added', { text: 'one more' });
    const { statuses } = rehearseBatch([added], { records });
    expect(statuses).toEqual(['failed']);
    expect(rehearseBatch([send('journal.cut', { text: '' })], { records }).statuses).toEqual([
      'applied',
    ]);
  });
});

test.each(Object.keys(slowSchemas).map((name, index) => [name, slowKinds[index]?.name ?? '']))(
  '%s in the schema of a kind: only its event fails, and no rejection is unhandled',
  async (_what, kind) => {
    const batch = [putNote('n1'), send(kind, { text: 'x' }), putNote('n2')];
    const { statuses, failed } = rehearseBatch(batch);
    expect(statuses).toEqual(['applied', 'failed', 'applied']);
    expect(failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
    await sleep(10);
    expect(await unhandled.all()).toEqual([]);
  },
);

test('an invalid payload is refused with its path, if an asynchronous check never sees it', () => {
  const { failed } = rehearseBatch([send(slowKinds[0]?.name ?? '', { text: 7 })]);
  expect(failed).toMatchObject([{ code: 'INVALID_PAYLOAD', path: 'payload.text' }]);
});
