/** The types that sets of rows are made of, with their OIDs: those of built-in types never change. */
const oids = { bool: 16, bytea: 17, int8: 20, int4: 23, text: 25, json: 114, timestamptz: 1184 };

/** A type by its SQL name, and how PostgreSQL's `…_recv` wants its values. */
export interface ElementType<Value> {
  readonly name: keyof typeof oids;
  sizeOf(value: Value): number;
  /** Writes what `sizeOf` said. */
  write(value: Value, to: Buffer, at: number): void;
}

const sizeOfText = (value: string) => Buffer.byteLength(value);
const writeText = (value: string, to: Buffer, at: number) => void to.write(value, at);

export const text: ElementType<string> = { name: 'text', sizeOf: sizeOfText, write: writeText };

/** JSON as the text that it is. */
export const json: ElementType<string> = { name: 'json', sizeOf: sizeOfText, write: writeText };

export const bytea: ElementType<Buffer> = {
  name: 'bytea',
  sizeOf: (value) => value.length,
  write: (value, to, at) => void value.copy(to, at),
};

export const bool: ElementType<boolean> = {
  name: 'bool',
  sizeOf: () => 1,
  write: (value, to, at) => void to.writeUInt8(value ? 1 : 0, at),
};

export const int4: ElementType<number> = {
  name: 'int4',
  sizeOf: () => 4,
  write: (value, to, at) => void to.writeInt32BE(value, at),
};

/** Of a number. @throws TypeError where it is no safe integer, and would be stored as another */
export const int8: ElementType<number> = {
  name: 'int8',
  sizeOf: () => 8,
  write(value, to, at) {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is no safe integer`);
    to.writeInt32BE(Math.floor(value / 2 ** 32), at);
    // The lower half of two's complement, below 0 too.
    to.writeInt32BE(value | 0, at + 4);
  },
};

/** PostgreSQL counts from the year 2000. */
const epochMicros = Date.UTC(2000, 0, 1) * 1000;

/** Of microseconds since 1970. */
export const timestamptz: ElementType<number> = {
  name: 'timestamptz',
  sizeOf: () => 8,
  write: (value, to, at) => int8.write(value - epochMicros, to, at),
};

const lengthBytes = 4;

/**
 * An array in the form that PostgreSQL sends and receives (`array_recv`), null for null or undefined. It
 * costs both sides less than text, in which every quote of a payload is escaped, and searched for again.
 */
export function encodeArray<Value>(
  type: ElementType<Value>,
  values: readonly (Value | null | undefined)[],
): Buffer {
  const hasNulls = values.some((value) => value === null || value === undefined);
  const header = headerOf(type.name, values.length, hasNulls);
  let size = header.length * 4;
  for (const value of values) {
    size += lengthBytes;
    if (value !== null && value !== undefined) size += type.sizeOf(value);
  }
  const array = Buffer.allocUnsafe(size);
  let at = 0;
  for (const field of header) at = array.writeInt32BE(field, at);
  for (const value of values) {
    if (value === null || value === undefined) {
      at = array.writeInt32BE(-1, at);
      continue;
    }
    const bytes = type.sizeOf(value);
    at = array.writeInt32BE(bytes, at);
    type.write(value, array, at);
    at += bytes;
  }
  return array;
}

/** Dimensions, whether there are nulls, the type; then of each dimension, how many, and from which index on. */
function headerOf(type: keyof typeof oids, count: number, hasNulls: boolean): readonly number[] {
  const dimensions = count === 0 ? [] : [[count, 1]];
  return [dimensions.length, hasNulls ? 1 : 0, oids[type], ...dimensions.flat()];
}
