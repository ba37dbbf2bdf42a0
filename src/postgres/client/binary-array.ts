/** The types that sets of rows are made of, with their OIDs: those of built-in types never change. */
const oids = { bool: 16, bytea: 17, int8: 20, int4: 23, text: 25, json: 114, timestamptz: 1184 };

/** A type by its SQL name, and how PostgreSQL's `…_recv` wants its values. */
export interface ElementType<Value> {
  readonly name: keyof typeof oids;
  write(value: Value, to: ArrayWriter): void;
}

const writeText = (value: string, to: ArrayWriter) => to.text(value);

export const text: ElementType<string> = { name: 'text', write: writeText };

/** JSON as the text that it is. */
export const json: ElementType<string> = { name: 'json', write: writeText };

export const bytea: ElementType<Buffer> = { name: 'bytea', write: (value, to) => to.bytes(value) };

export const bool: ElementType<boolean> = {
  name: 'bool',
  write(value, to) {
    to.int32(1);
    to.byte(value ? 1 : 0);
  },
};

/** @throws TypeError where it does not fit, and would be stored as another */
export const int4: ElementType<number> = {
  name: 'int4',
  write(value, to) {
    if ((value | 0) !== value) throw new TypeError(`${value} is no 32-bit integer`);
    to.int32(4);
    to.int32(value);
  },
};

/** Of a number. @throws TypeError where it is no safe integer, and would be stored as another */
export const int8: ElementType<number> = {
  name: 'int8',
  write(value, to) {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is no safe integer`);
    to.int32(8);
    to.int32(Math.floor(value / 2 ** 32));
    // The lower half of two's complement, below 0 too.
    to.int32(value | 0);
  },
};

/** PostgreSQL counts from the year 2000. */
const epochMicros = Date.UTC(2000, 0, 1) * 1000;

/** Of microseconds since 1970. */
export const timestamptz: ElementType<number> = {
  name: 'timestamptz',
  write: (value, to) => int8.write(value - epochMicros, to),
};

/** Up to here a loop over its characters takes less time than a call out of JavaScript. */
const shortText = 48;
const maxBytesACharacter = 3;

/**
 * Writes arrays in the form that PostgreSQL sends and receives (`array_recv`), one behind the other into
 * memory that grows. It costs both sides less than text, in which every quote of a payload is
 * escaped, and searched for again.
 */
export class ArrayWriter {
  #memory: Buffer;
  #at = 0;

  /** @param size a guess, in bytes */
  constructor(size: number) {
    this.#memory = Buffer.allocUnsafe(size);
  }

  /**
   * Writes one value for each row, NULL for null and undefined.
   *
   * @returns where the array begins
   */
  array<Row, Value>(
    type: ElementType<Value>,
    rows: readonly Row[],
    of: (row: Row) => Value | null | undefined,
  ): number {
    const start = this.#at;
    // Dimensions, whether there are nulls, the type; then of the dimension, how many, and from which index on.
    const header =
      rows.length === 0 ? [0, 0, oids[type.name]] : [1, 0, oids[type.name], rows.length, 1];
    for (const field of header) this.int32(field);
    let hasNulls = false;
    let last: Value | undefined;
    let lastStart = 0;
    let lastEnd = 0;
    for (const row of rows) {
      const value = of(row);
      if (value === null || value === undefined) {
        hasNulls = true;
        this.int32(-1);
      } else if (value === last) {
        // Many columns hold the same in most rows.
        this.#again(lastStart, lastEnd);
      } else {
        last = value;
        lastStart = this.#at;
        type.write(value, this);
        lastEnd = this.#at;
      }
    }
    if (hasNulls) this.#memory[start + 7] = 1;
    return start;
  }

  /** What was written, cut where arrays begin. */
  cut(starts: readonly number[]): Buffer[] {
    return starts.map((start, index) =>
      this.#memory.subarray(start, starts[index + 1] ?? this.#at),
    );
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#memory[this.#at++] = value;
  }

  int32(value: number): void {
    this.#reserve(4);
    const memory = this.#memory;
    memory[this.#at++] = value >>> 24;
    memory[this.#at++] = value >>> 16;
    memory[this.#at++] = value >>> 8;
    memory[this.#at++] = value;
  }

  /** With its length before it, as all that follows. */
  bytes(value: Buffer): void {
    this.int32(value.length);
    this.#reserve(value.length);
    this.#memory.set(value, this.#at);
    this.#at += value.length;
  }

  text(value: string): void {
    this.#reserve(4 + value.length * maxBytesACharacter);
    const start = this.#at;
    this.#at += 4;
    if (value.length > shortText || !this.#ascii(value)) {
      this.#at = start + 4 + this.#memory.write(value, start + 4);
    }
    const end = this.#at;
    this.#at = start;
    this.int32(end - start - 4);
    this.#at = end;
  }

  /** @returns false where it holds any other character; then what was written is to be written over */
  #ascii(value: string): boolean {
    const memory = this.#memory;
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      memory[this.#at++] = code;
    }
    return true;
  }

  #again(start: number, end: number): void {
    this.#reserve(end - start);
    const memory = this.#memory;
    if (end - start > shortText) {
      memory.copyWithin(this.#at, start, end);
      this.#at += end - start;
    } else {
      for (let from = start; from < end; from += 1) memory[this.#at++] = memory[from] ?? 0;
    }
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#memory.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + bytes));
    this.#memory.copy(larger, 0, 0, this.#at);
    this.#memory = larger;
  }
}
