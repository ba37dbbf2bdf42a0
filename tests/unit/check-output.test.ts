import { expect, test } from 'vitest';
import { assertFields } from '../../src/domain/kinds/check-output.ts';
import { mergeCustomer } from '../../src/systems/pos/merge-customer.ts';

test.each([
  [{ secret: new Date(0) }, 'a field is not JSON: Date'],
  [{ secret: undefined }, 'a field is not JSON: Undefined'],
  [{ secret: 1n }, 'a field is not JSON: BigInt'],
  [{ secret: [{ secret: new Map() }] }, 'a field is not JSON: Map, 3 levels deep'],
  [{ secret: 'a\u0000' }, 'a field holds U+0000'],
  [{ 'secret\u0000': 1 }, 'a field holds U+0000'],
  [{ secret: 2 ** 60 }, 'a field is not finite or beyond 2^53-1'],
])(
  'what a kind returned wrongly is told without the names of its fields: %o',
  (fields, message) => {
    const refusal = () => assertFields(fields);
    expect(refusal).toThrow(message);
    expect(refusal).not.toThrow('secret');
  },
);

test('a customer who cannot be merged is told of without the names of its fields', () => {
  const merge = () => mergeCustomer({ secret: ['a'] }, { secret: 'a' });
  expect(merge).toThrow('not a list');
  expect(merge).not.toThrow('secret');
});
