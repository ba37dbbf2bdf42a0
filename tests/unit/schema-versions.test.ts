import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeForLog } from '../../src/domain/kinds/schema-versions.ts';

const line = z.strictObject({ sku: z.string(), quantity: z.int().min(1) });
const schema = z.strictObject({
  lines: z.array(line),
  note: z.string().max(3).optional(),
  labels: z.record(z.string(), z.string()).default({}),
  owner: z.object({ name: z.string() }).transform(({ name }) => name),
});
const good = { lines: [], owner: { name: 'Ada' } };

test.each([
  [{ ...good, lines: [{ sku: 'a', quantity: 0 }] }, 'lines.0.quantity: Too small'],
  [{ ...good, note: 'long' }, 'note: Too big'],
  [{ ...good, owner: {} }, 'owner.name: Invalid input'],
  ['a text', 'Invalid input'],
])('the description of an invalid value uses the names in the schema: %j', (value, text) => {
  const { error } = schema.safeParse(value);
  if (!error) throw new Error('it was taken');
  expect(describeForLog(schema, error)).toMatch(text);
});

test.each([
  { ...good, secret: 1 },
  { ...good, lines: [{ sku: 'a', quantity: 1, secret: 1 }] },
  { ...good, labels: { secret: 1 } },
])(
  'the description of an invalid value contains no name that is not in the schema: %j',
  (value) => {
    const { error } = schema.safeParse(value);
    if (!error) throw new Error('it was taken');
    expect(JSON.stringify(error)).toContain('secret');
    expect(describeForLog(schema, error)).not.toContain('secret');
  },
);
