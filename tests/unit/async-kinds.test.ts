import { afterEach, beforeEach, expect, test } from 'vitest';
import { rehearse } from '../../src/testing/rehearse.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { collectUnhandledRejections } from '../testkit/processes/unhandled-rejections.ts';
import { asyncHookKinds, asyncKinds, kindsWithAsync, send } from './support/async-kinds.ts';

let unhandled: ReturnType<typeof collectUnhandledRejections>;
beforeEach(() => {
  unhandled = collectUnhandledRejections();
});
afterEach(() => unhandled.stop());

test.each(asyncKinds.map(({ name }) => name))(
  '%s: only the event of the kind fails, and no rejection is unhandled',
  async (kind) => {
    const events = [putNote('n1'), send(kind), putNote('n2')];
    const { answers, records, faults } = rehearse(kindsWithAsync, [{ events }]);
    expect(answers[0]?.results.map(({ status }) => status)).toEqual([
      'applied',
      'failed',
      'applied',
    ]);
    expect(answers[0]?.failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
    expect(records.map(({ entityId }) => entityId)).toEqual(['n1', 'n2']);
    expect(faults).toHaveLength(1);
    expect(await unhandled.all()).toEqual([]);
  },
);

test.each(asyncHookKinds.map(({ name }) => name))(
  '%s: without the hook the last write wins, and no rejection is unhandled',
  async (kind) => {
    const on = (day: number) => ({ occurredAt: `2025-01-0${day}T00:00:00Z` });
    const events = [send(kind, on(1)), send(kind, on(3), { size: 3 })];
    const stale = [2, 4].map((day) => send(kind, { baseVersion: 1, ...on(day) }, { size: day }));
    const { answers, records, faults } = rehearse(kindsWithAsync, [
      ...[...events, ...stale].map((event, at) => ({ events: [event], deviceId: `d${at}` })),
    ]);
    expect(answers.flatMap(({ results }) => results.map(({ status }) => status))).toEqual([
      ...['applied', 'applied', 'superseded', 'applied'],
    ]);
    expect(records).toMatchObject([{ version: 4, data: { size: 4 } }]);
    expect(faults).toHaveLength(2);
    expect(await unhandled.all()).toEqual([]);
  },
);
