import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeUndescribedFields } from '../../src/domain/kinds/describe-undescribed-fields.ts';

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
])('what is wrong with %j is told by the names of the schema', (value, text) => {
  const { error } = schema.safeParse(value);
  if (!error) throw new Error('it was taken');
  expect(describeUndescribedFields(schema, error)).toMatch(text);
});

test.each([
  { ...good, secret: 1 },
  { ...good, lines: [{ sku: 'a', quantity: 1, secret: 1 }] },
  { ...good, labels: { secret: 1 } },
])('no name of a field that is not in the schema is told: %j', (value) => {
  const { error } = schema.safeParse(value);
  if (!error) throw new Error('it was taken');
  expect(JSON.stringify(error)).toContain('secret');
  expect(describeUndescribedFields(schema, error)).not.toContain('secret');
});
