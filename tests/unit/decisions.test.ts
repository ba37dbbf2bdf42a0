import { expect, test } from 'vitest';
import {
  accept,
  patchRecord,
  putRecord,
  removeRecord,
} from '../../src/domain/kinds/policies/decide.ts';
import { rehearse } from '../../src/testing/rehearse.ts';
import type { SentEvent } from '../testkit/events/sent-events.ts';
import { orderedKind, other, play, type Script, scriptKind } from './support/scripts.ts';

const self = { entityType: 'script', entityId: 's1' };
const seen: unknown[] = [];

const plays: { readonly [name: string]: Script } = {
  nothing: () => accept(),
  'put both': () => accept(putRecord(self, { a: 1 }), putRecord(other, { a: 1 })),
  'patch other': () => accept(patchRecord(other, { b: 2 })),
  'patch other with nothing': () => accept(patchRecord(other, {})),
  'remove other': () => accept(removeRecord(other)),
  look: (records) => {
    seen.push(records.find('script', 'other'));
    return accept();
  },
  'scribble on what it read': (records) => {
    Object.assign(records.find('script', 'other')?.data ?? {}, { a: 'scribbled' });
    return accept(putRecord(self, { ...records.find('script', 'other')?.data }));
  },
};

const event = (name: string) => play('script', name);

/** Rehearses one batch after the other, and returns the status or the failure code of each event. */
function decideAll(...batches: readonly (readonly SentEvent[])[]) {
  const { answers, records } = rehearse(
    [scriptKind(plays), orderedKind],
    batches.map((events) => ({ events })),
  );
  const statuses = answers.map(({ results }) =>
    results.map((result) => (result.status === 'failed' ? result.code : result.status)),
  );
  const find = (id: string) => records.find(({ entityId }) => entityId === id);
  return { statuses: statuses.flat(), records, find };
}

test('an event that is accepted and writes nothing is a noop, and takes a version', () => {
  const nothing = event('nothing');
  const { statuses, find } = decideAll([nothing, nothing, event('put both')]);
  expect(statuses).toEqual(['noop', 'duplicate', 'applied']);
  expect(find('s1')?.version).toBe(2);
});

test('an event that writes what is there already is a noop, and its records keep their version', () => {
  const { statuses, records } = decideAll([event('put both'), event('put both')]);
  expect(statuses).toEqual(['applied', 'noop']);
  expect(records.map(({ version }) => version)).toEqual([1, 1]);
});

test('a patch keeps the other fields, and a patch without fields changes nothing', () => {
  const { statuses, find } = decideAll([
    event('put both'),
    event('patch other'),
    event('patch other with nothing'),
  ]);
  expect(statuses).toEqual(['applied', 'applied', 'noop']);
  expect(find('other')).toMatchObject({ version: 2, data: { a: 1, b: 2 } });
});

test('the next event does not find a record that was removed', () => {
  seen.length = 0;
  const { find } = decideAll(
    [event('look'), event('put both'), event('look')],
    [event('remove other'), event('look')],
  );
  expect(find('other')).toMatchObject({ deleted: true, version: 4, data: { a: 1 } });
  expect(seen).toMatchObject([undefined, { ...other, version: 2, data: { a: 1 } }, undefined]);
});

test('decide cannot change the data of the records that it reads', () => {
  const { find } = decideAll([event('put both'), event('scribble on what it read')]);
  expect(find('other')).toMatchObject({ version: 1, data: { a: 1 } });
  expect(find('s1')).toMatchObject({ version: 1, data: { a: 1 } });
});

test('the events of an ordered kind are decided in the order of their sequence', () => {
  const step = (sequence: number) => ({ ...play('ordered', `step ${sequence}`), sequence });
  const { statuses } = decideAll([step(2)], [step(1), step(2)], [step(2), step(3)]);
  expect(statuses).toEqual([
    'SEQUENCE_GAP',
    ...['applied', 'applied'],
    ...['SEQUENCE_CONFLICT', 'applied'],
  ]);
});

test('an ordered kind fails if its decision writes no own record, which would keep the sequence', () => {
  const step = (name: string) => ({ ...play('ordered', name), sequence: 1 });
  const { statuses } = decideAll([step('nothing')], [step('something')]);
  expect(statuses).toEqual(['KIND_FAILED', 'applied']);
});

test('an event may name an earlier event that wrote no record as its base', () => {
  const first = event('nothing');
  const second = { ...event('nothing'), baseKey: first.identityKey };
  expect(decideAll([first, second]).statuses).toEqual(['noop', 'noop']);
});
