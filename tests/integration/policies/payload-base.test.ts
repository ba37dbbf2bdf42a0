import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { remove } from '../../../src/domain/kinds/policies/remove.ts';
import { strict } from '../../../src/domain/kinds/policies/strict.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

/** Lax on purpose: what the schema lets through must not reach the database. */
const thingSchema = z.strictObject({ id: z.string(), madeOn: z.number(), name: z.string() });
type Thing = z.infer<typeof thingSchema>;

const thing = {
  entityType: 'thing',
  payload: payload(thingSchema),
  entityId: ({ id }: Thing) => id,
  baseVersion: ({ madeOn }: Thing) => madeOn,
};
const kinds = [
  defineKind({ ...thing, name: 'thing.put', policy: put(({ name }) => ({ name })) }),
  defineKind({ ...thing, name: 'thing.strict', policy: strict(put(({ name }) => ({ name }))) }),
  defineKind({ ...thing, name: 'thing.remove', policy: remove() }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());

function send(verb: string, madeOn: number, name: string, rest: object = {}): SentEvent {
  const kind = `thing.${verb}`;
  return { identityKey: nextKey(), kind, payload: { id: 't1', madeOn, name }, ...rest };
}

async function twice(): Promise<Tenant> {
  const tenant = await createTenant(service);
  await tenant.push([send('put', 0, 'a'), send('put', 1, 'b')]);
  return tenant;
}

test('the version in the payload is the one that the edit was made on', async () => {
  const tenant = await twice();
  const { failed } = await tenant.push([send('put', 1, 'c')]);
  expect(failed).toMatchObject([
    { code: 'CONFLICT', current: { version: 2, data: { name: 'b' } }, differingFields: ['name'] },
  ]);
  expect(await tenant.pushStatuses([send('put', 2, 'd')])).toEqual(['applied']);
  expect(await tenant.pushStatuses([send('remove', 2, '')])).toEqual(['CONFLICT']);
});

test('version 0 in the payload means that there is no record yet', async () => {
  const tenant = await twice();
  expect(await tenant.pushStatuses([send('put', 0, 'c')])).toEqual(['CONFLICT']);
});

test('the version in the payload is enough for a kind that requires one', async () => {
  const tenant = await twice();
  expect(await tenant.pushStatuses([send('strict', 1, 'c'), send('strict', 2, 'd')])).toEqual([
    'CONFLICT',
    'applied',
  ]);
});

test('what the event itself says counts more than its payload', async () => {
  const tenant = await twice();
  const newest = send('put', 2, 'c');
  expect(await tenant.pushStatuses([{ ...newest, baseVersion: 1 }])).toEqual(['CONFLICT']);
  const first = send('put', 2, 'd');
  const second = send('put', 2, 'e', { baseKey: first.identityKey });
  expect(await tenant.pushStatuses([first, second])).toEqual(['applied', 'applied']);
});

test.each([1.5, -1, -0.5])(
  'a version in the payload that is none (%f) fails its own event only',
  async (madeOn) => {
    const tenant = await twice();
    const { failed, processed } = await tenant.push([
      send('put', madeOn, 'c'),
      send('put', 2, 'd'),
    ]);
    expect(failed).toMatchObject([{ code: 'INVALID_PAYLOAD', retryable: false, path: 'payload' }]);
    expect(processed).toHaveLength(1);
  },
);
