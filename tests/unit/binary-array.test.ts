import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ArrayWriter,
  bool,
  bytea,
  type ElementType,
  int4,
  int8,
  text,
  timestamptz,
} from '../../src/postgres/client/binary-array.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

function encode<Value>(
  type: ElementType<Value>,
  values: readonly (Value | null | undefined)[],
  size = 1_000,
): Buffer {
  const writer = new ArrayWriter(size);
  const [array = Buffer.alloc(0)] = writer.cut([writer.array(type, values, (value) => value)]);
  return array;
}

/** The values of an array as PostgreSQL's `array_recv` reads them: the bytes of each, null for NULL. */
function decode(array: Buffer): readonly (Buffer | null)[] {
  const dimensions = array.readInt32BE(0);
  const length = dimensions === 0 ? 0 : array.readInt32BE(12);
  const values: (Buffer | null)[] = [];
  let at = dimensions === 0 ? 12 : 20;
  for (let index = 0; index < length; index += 1) {
    const bytes = array.readInt32BE(at);
    at += 4;
    values.push(bytes === -1 ? null : array.subarray(at, at + bytes));
    at += Math.max(0, bytes);
  }
  expect(at).toBe(array.length);
  return values;
}

/** 32-bit integers in hexadecimal digits, one after the other. */
const int32s = (...numbers: readonly string[]) => numbers.join('');

test('an array is a header and then each value with its length', () => {
  const header = int32s('00000001', '00000000', '00000017', '00000002', '00000001');
  const values = int32s('00000004', '00000001', '00000004', 'ffffffff');
  expect(encode(int4, [1, -1]).toString('hex')).toBe(header + values);
});

test('an empty array has no dimension', () => {
  const header = int32s('00000000', '00000000', '00000019');
  expect(encode(text, []).toString('hex')).toBe(header);
});

test('null and undefined are NULL, and the header says that there are some', () => {
  const array = encode(bool, [true, null, undefined, false]);
  expect(array.readInt32BE(4)).toBe(1);
  expect(decode(array)).toEqual([Buffer.from([1]), null, null, Buffer.from([0])]);
});

test('int8 is two’s complement, also of negative numbers', () => {
  const numbers = [
    0,
    -1,
    2 ** 32,
    -(2 ** 32) - 1,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ];
  const read = decode(encode(int8, numbers)).map((value) => Number(value?.readBigInt64BE()));
  expect(read).toEqual(numbers);
});

test('a time is counted from the year 2000', () => {
  const [first, second] = decode(encode(timestamptz, [Date.UTC(2000, 0, 1) * 1000, 0]));
  expect(first?.readBigInt64BE()).toBe(0n);
  expect(second?.readBigInt64BE()).toBe(BigInt(-Date.UTC(2000, 0, 1) * 1000));
});

test.each([
  ['int4', int4, 2 ** 31],
  ['int4', int4, 0.5],
  ['int8', int8, 2 ** 53],
  ['timestamptz', timestamptz, Number.NaN],
])('%s refuses a number that would be stored as another: %d', (_name, type, value) => {
  expect(() => encode(type, [value])).toThrow(TypeError);
});

test('arrays that share a writer are cut where each of them begins', () => {
  const writer = new ArrayWriter(1);
  const rows = [{ id: 'a' }, { id: 'b' }];
  const starts = [
    writer.array(text, rows, ({ id }) => id),
    writer.array(bytea, rows, () => Buffer.from('x')),
  ];
  const [ids = Buffer.alloc(0), bytes = Buffer.alloc(0)] = writer.cut(starts);
  expect(decode(ids).map(String)).toEqual(['a', 'b']);
  expect(decode(bytes).map(String)).toEqual(['x', 'x']);
});

/** Texts of both lengths that are written in different ways, some of them several times in a row. */
const texts = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.string({ minLength: 40, maxLength: 60 }),
      ),
      fc.integer({ min: 1, max: 3 }),
    ),
  )
  .map((runs) => runs.flatMap(([value, times]) => Array.from({ length: times }, () => value)));

test(`text is UTF-8, however little memory the writer begins with (SEED=${seed})`, () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 0, max: 200 }), (values, size) => {
      expect(decode(encode(text, values, size))).toEqual(values.map((value) => Buffer.from(value)));
    }),
    { seed, numRuns: 300 },
  );
});
