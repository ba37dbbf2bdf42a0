import { expect, test } from 'vitest';
import { assertFields } from '../../src/domain/kinds/check-output.ts';
import { mergeCustomer } from '../../src/systems/pos/merge-customer.ts';

test.each([
  [{ secret: new Date(0) }, 'a field is not JSON: Date'],
  [{ secret: undefined }, 'a field is not JSON: Undefined'],
  [{ secret: 1n }, 'a field is not JSON: BigInt'],
  [{ secret: [{ secret: new Map() }] }, 'a field is not JSON: Map, 3 levels deep'],
  [{ secret: 'a\u0000' }, 'a field contains U+0000'],
  [{ 'secret\u0000': 1 }, 'a field contains U+0000'],
  [{ secret: 2 ** 60 }, 'a field is not finite or beyond 2^53-1'],
])(
  'an error about invalid fields does not contain the names of the fields: %o',
  (fields, message) => {
    const refusal = () => assertFields(fields);
    expect(refusal).toThrow(message);
    expect(refusal).not.toThrow('secret');
  },
);

test('an error about a customer that cannot be merged does not contain the names of its fields', () => {
  const merge = () => mergeCustomer({ secret: ['a'] }, { secret: 'a' });
  expect(merge).toThrow('not a list');
  expect(merge).not.toThrow('secret');
});
