import { expect, test } from 'vitest';
import type { Fields } from '../../src/domain/kinds/intent.ts';
import { canonicalJson } from '../../src/domain/fingerprint.ts';
import { RecordData } from '../../src/domain/record-data.ts';
import { fc } from './support/property.ts';

const names = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'constructor', 'é"\\'), fc.string());
const fieldsArbitrary = fc
  .dictionary(names, fc.jsonValue())
  .map((fields) => JSON.parse(JSON.stringify(fields)) as Fields);

test('record data with replaced fields has the text and the length of the merged fields', () => {
  fc.assert(
    fc.property(fieldsArbitrary, fieldsArbitrary, fc.boolean(), (old, changes, fromText) => {
      const before = fromText ? RecordData.ofText(canonicalJson(old)) : RecordData.ofFields(old);
      const after = before.with(Object.entries(changes));
      const merged = canonicalJson({ ...old, ...changes });
      expect(after.length).toBe(merged.length);
      expect(after.text).toBe(merged);
      expect(canonicalJson(after.fields)).toBe(merged);
      expect(after === before).toBe(merged === canonicalJson(old));
      expect(before.text).toBe(canonicalJson(old));
      expect(after.equals(before)).toBe(merged === canonicalJson(old));
    }),
  );
});

test('a kind cannot change the data that it gets, at any depth', () => {
  const { frozenFields } = RecordData.ofText('{"list":[{"deep":1}]}');
  const [item] = frozenFields.list as unknown as [{ deep: number }];
  expect(() => (item.deep = 2)).toThrow(TypeError);
  expect(() => Object.assign(frozenFields, { more: 1 })).toThrow(TypeError);
});
