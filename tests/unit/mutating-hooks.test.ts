import { z } from 'zod';
import { expect, test } from 'vitest';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import type { Fields, RecordView } from '../../src/domain/kinds/intent.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { rehearse } from '../../src/testing/rehearse.ts';
import { nextKey, type SentEvent } from '../testkit/events/sent-events.ts';

/** Plain JavaScript can change everything. */
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = { [name: string]: any };

/** Each may also throw an error, if its argument cannot be changed. The result is the same. */
const mutations: { readonly [name: string]: (incoming: Loose, current: Loose) => void } = {
  'another value': (incoming) => void (incoming.size = 99),
  'a field more': (incoming) => void (incoming.scribble = true),
  'a field less': (incoming) => void delete incoming.size,
  'a value that is not JSON': (incoming) => void (incoming.size = 10n),
  'something deep inside': (incoming) => void incoming.tags.push({ deep: 'scribble' }),
  'the current record': (_incoming, { data }) => void Object.assign(data, { kept: 0 }),
};

function scribble(current: RecordView, incoming: Fields): Fields {
  if (typeof incoming.how === 'string') mutations[incoming.how]?.(incoming, current);
  throw new Error('after that it fails');
}

const fieldsSchema = z.record(z.string(), z.json());
const itemSchema = z.strictObject({ id: z.string(), fields: fieldsSchema });
const item = {
  entityType: 'item',
  payload: payload(itemSchema),
  entityId: ({ id }: z.infer<typeof itemSchema>) => id,
  resolve: scribble,
};
const kinds = [
  defineKind({ ...item, name: 'item.put', policy: put(({ fields }) => fields) }),
  defineKind({ ...item, name: 'item.patch', policy: patch(({ fields }) => fields) }),
];

function send(verb: string, fields: object, rest: object = {}): SentEvent {
  return { identityKey: nextKey(), kind: `item.${verb}`, payload: { id: 'i1', fields }, ...rest };
}

test.each(
  Object.keys(mutations).flatMap((how) => [['put', how] as const, ['patch', how] as const]),
)('what a hook changes before it throws is not written, with a %s: %s', (verb, how) => {
  const old = { size: 1, kept: 1 };
  const fields = { how, size: 2, tags: ['a'] };
  const stale = send(verb, fields, { baseVersion: 1 });
  const late = send('put', {}, { occurredAt: '2020-01-01T00:00:00Z' });
  const batches = [[send('put', { size: 0 }), send('put', old)], [stale], [late]];
  const { answers, records, faults } = rehearse(
    kinds,
    batches.map((events, at) => ({ events, deviceId: `d${at}` })),
  );
  const statuses = answers.flatMap(({ results }) => results.map(({ status }) => status));
  expect(statuses).toEqual(['applied', 'applied', 'applied', 'superseded']);
  expect(records[0]?.data).toEqual(verb === 'put' ? fields : { ...old, ...fields });
  expect(faults).toHaveLength(1);
});
