import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import type { Fields } from '../../src/domain/kinds/intent.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { accept, decide, putRecord } from '../../src/domain/kinds/policies/decide.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { nextKey, type SentEvent } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

/** A schema that accepts any id, as one in plain JavaScript can. The service must check the id itself. */
const looseSchema = z.strictObject({
  id: z.custom<string>(),
  shelf: z.custom<string>().default('s'),
});
type Loose = z.infer<typeof looseSchema>;
const loose = { payload: payload(looseSchema), entityId: ({ id }: Loose) => id };
const kinds = [
  defineKind({
    ...loose,
    name: 'loan.start',
    entityType: 'loan',
    policy: decide({
      reads: ({ shelf }) => [{ entityType: 'shelf', entityId: shelf }],
      decide: ({ id, shelf }) =>
        accept(
          putRecord({ entityType: 'loan', entityId: id }, { shelf }),
          putRecord({ entityType: 'shelf', entityId: shelf }, { newest: id }),
        ),
    }),
  }),
  defineKind({
    ...loose,
    name: 'tag.put',
    entityType: 'tag',
    policy: put(({ shelf }): Fields => ({ shelf })),
  }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds });
});
afterAll(() => service.close());

function send(kind: string, content: object, rest: object = {}): SentEvent {
  return { identityKey: nextKey(), kind, payload: content, ...rest };
}

/** Creates a conflict about the entity `7`. `stored` reads the data of the tenant. */
async function createConflict(kind: string) {
  const tenant = await createTenant(service);
  const loser = send(kind, { id: '7', shelf: 's2' }, { baseVersion: 0 });
  expect(await tenant.pushStatuses([send(kind, { id: '7' }), loser])).toEqual([
    'applied',
    'CONFLICT',
  ]);
  const audit = auditOf(tenant);
  const merge = (content: object) =>
    audit.resolve(loser.identityKey, { resolution: 'merge', payload: content });
  const stored = async () => ({
    log: await tenant.log(),
    records: await service.sql(
      `SELECT * FROM records WHERE ${ofTenant} ORDER BY entity_type, entity_id`,
      [tenant.id],
    ),
    effects: await service.sql(`SELECT * FROM effects WHERE ${ofTenant}`, [tenant.id]),
    conflict: await audit.conflict(loser.identityKey),
  });
  return { tenant, merge, stored };
}

const badIds: readonly (readonly [string, unknown])[] = [
  ['a line break', 'a\nb'],
  ['a number', 7],
  ['an empty text', ''],
  ['201 characters', 'x'.repeat(201)],
  ['null', null],
  ['a list', ['7']],
];

const cases = badIds.flatMap(([what, id]) => [
  ['loan.start', 'shelf', what, { id: '7', shelf: id }] as const,
  ['loan.start', 'id', what, { id, shelf: 's2' }] as const,
  ['tag.put', 'id', what, { id, shelf: 's2' }] as const,
]);

test.each(cases)(
  'a merge of %s with an invalid id in %s is refused, and nothing is stored: %s',
  async (kind, _field, _what, content) => {
    const { tenant, merge, stored } = await createConflict(kind);
    const before = await stored();
    const { status, body } = await merge(content);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'INVALID_ENVELOPE' });
    expect(body.path).toMatch(/^payload(\.|$)/);
    expect(await stored()).toEqual(before);
    // A push with the same payload is refused too.
    expect(await tenant.pushStatuses([send(kind, content)])).toEqual(['INVALID_PAYLOAD']);
    expect(await merge({ id: '7', shelf: 's3' })).toMatchObject({ status: 200 });
    expect(await tenant.record('7')).toMatchObject({ version: 3, data: { shelf: 's3' } });
  },
);
