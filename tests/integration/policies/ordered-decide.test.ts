import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import {
  accept,
  decide,
  putRecord,
  removeRecord,
} from '../../../src/domain/kinds/policies/decide.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const lot = (entityId: string) => ({ entityType: 'lot', entityId });

/** Every step of a lot also writes another lot, whose steps are numbered too. */
const lotSplit = defineKind({
  name: 'lot.split',
  entityType: 'lot',
  ordered: true,
  payload: payload(
    z.strictObject({ id: z.string(), into: z.string(), gone: z.boolean().optional() }),
  ),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ into }) => [lot(into)],
    decide: ({ id, into, gone }, _records, { identityKey }) =>
      accept(
        putRecord(lot(id), { by: identityKey }),
        gone ? removeRecord(lot(into)) : putRecord(lot(into), { by: identityKey }),
      ),
  }),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [lotSplit] });
});
afterAll(() => service.close());

function split(id: string, into: string, sequence: number, rest: object = {}): SentEvent {
  return { identityKey: nextKey(), kind: 'lot.split', sequence, payload: { id, into, ...rest } };
}

test('another record that an ordered decision makes begins at its own number 1', async () => {
  const tenant = await createTenant(service);
  expect(await tenant.pushStatuses([split('a', 'b', 1), split('a', 'b', 2)])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await tenant.pushStatuses([split('b', 'c', 3)])).toEqual(['SEQUENCE_GAP']);
  expect(await tenant.pushStatuses([split('b', 'c', 1), split('c', 'a', 1)])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await tenant.pushStatuses([split('a', 'c', 3)])).toEqual(['applied']);
});

test('another record that an ordered decision changes or removes goes on with its own number', async () => {
  const tenant = await createTenant(service);
  await tenant.push([split('b', 'x', 1), split('b', 'x', 2), split('a', 'b', 1)]);
  const written = await tenant.record('b');
  expect(written).toMatchObject({ version: 3 });
  expect(await tenant.pushStatuses([split('b', 'x', 2)])).toEqual(['SEQUENCE_CONFLICT']);
  expect(
    await tenant.pushStatuses([split('a', 'b', 2, { gone: true }), split('b', 'x', 3)]),
  ).toEqual(['applied', 'applied']);
});
