/** The element types of sets of rows, with their OIDs. The OIDs of built-in types never change. */
const oids = {
  ...{ bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, text: 25, tid: 27 },
  ...{ json: 114, timestamptz: 1184 },
};

/** A type by its SQL name, and the writer of its values in the form that PostgreSQL's `…_recv` reads. */
export interface ElementType<Value> {
  readonly name: keyof typeof oids;
  write(value: Value, writer: ArrayWriter): void;
}

const writeText = (value: string, writer: ArrayWriter) => writer.text(value);

export const text: ElementType<string> = { name: 'text', write: writeText };

/** Of JSON text. */
export const json: ElementType<string> = { name: 'json', write: writeText };

export const bytea: ElementType<Buffer> = {
  name: 'bytea',
  write: (value, writer) => writer.bytes(value),
};

/** Bytes that are given as hexadecimal digits. */
export const hexBytes: ElementType<string> = {
  name: 'bytea',
  write: (value, writer) => writer.hex(value),
};

/** The place of a row in its table, in the form in which PostgreSQL prints it: `(block,item)`. */
export const tid: ElementType<string> = {
  name: 'tid',
  write(value, writer) {
    const comma = value.indexOf(',');
    const item = Number(value.slice(comma + 1, -1));
    writer.int32(6);
    writer.int32(Number(value.slice(1, comma)));
    writer.byte(item >>> 8);
    writer.byte(item);
  },
};

export const bool: ElementType<boolean> = {
  name: 'bool',
  write(value, writer) {
    writer.int32(1);
    writer.byte(value ? 1 : 0);
  },
};

/** @throws TypeError for a number that is no 16-bit integer: another one would be stored in its place */
export const int2: ElementType<number> = {
  name: 'int2',
  write(value, writer) {
    if ((value << 16) >> 16 !== value) throw new TypeError(`${value} is no 16-bit integer`);
    writer.int32(2);
    writer.byte(value >>> 8);
    writer.byte(value);
  },
};

/** @throws TypeError for a number that is no 32-bit integer: another one would be stored in its place */
export const int4: ElementType<number> = {
  name: 'int4',
  write(value, writer) {
    if ((value | 0) !== value) throw new TypeError(`${value} is no 32-bit integer`);
    writer.int32(4);
    writer.int32(value);
  },
};

/** @throws TypeError for a number that is no safe integer: another one would be stored in its place */
export const int8: ElementType<number> = {
  name: 'int8',
  write(value, writer) {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is no safe integer`);
    writer.int32(8);
    writer.int32(Math.floor(value / 2 ** 32));
    // The lower half of two's complement, also of a negative number.
    writer.int32(value | 0);
  },
};

/** PostgreSQL counts microseconds from the year 2000. */
const epochMicros = Date.UTC(2000, 0, 1) * 1000;

/** Of microseconds since 1970. */
export const timestamptz: ElementType<number> = {
  name: 'timestamptz',
  write: (value, writer) => int8.write(value - epochMicros, writer),
};

/** Up to this length a loop over the characters takes less time than a call of native code. */
const shortText = 48;
const maxBytesPerCharacter = 3;

/**
 * Writes arrays in PostgreSQL's binary form (`array_recv`), one after the other, into memory that grows. The
 * text form costs both sides more: the client escapes every quote of a payload, and the server searches for
 * the escapes.
 */
export class ArrayWriter {
  #memory: Buffer;
  #at = 0;

  /** @param size a guess of the bytes that will be written */
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
    valueOf: (row: Row) => Value | null | undefined,
  ): number {
    const start = this.#at;
    // The number of dimensions, the flag for nulls, the type; then the dimension's length and first index.
    const header =
      rows.length === 0 ? [0, 0, oids[type.name]] : [1, 0, oids[type.name], rows.length, 1];
    for (const field of header) this.int32(field);
    let hasNulls = false;
    let last: Value | undefined;
    let lastStart = 0;
    let lastEnd = 0;
    for (const row of rows) {
      const value = valueOf(row);
      if (value === null || value === undefined) {
        hasNulls = true;
        this.int32(-1);
      } else if (value === last) {
        // Many columns hold the same value in most rows: what was written for it is copied.
        this.#copy(lastStart, lastEnd);
      } else {
        last = value;
        lastStart = this.#at;
        type.write(value, this);
        lastEnd = this.#at;
      }
    }
    // The last byte of the flag for nulls.
    if (hasNulls) this.#memory[start + 7] = 1;
    return start;
  }

  /** The arrays that were written. @param starts where each of them begins */
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

  /** Writes the length and the bytes. */
  bytes(value: Buffer): void {
    this.int32(value.length);
    this.#reserve(value.length);
    this.#memory.set(value, this.#at);
    this.#at += value.length;
  }

  /** Writes the length and the bytes that these hexadecimal digits stand for. */
  hex(digits: string): void {
    const length = digits.length / 2;
    this.int32(length);
    this.#reserve(length);
    this.#at += this.#memory.write(digits, this.#at, 'hex');
  }

  /** Writes the length in bytes and the text in UTF-8. */
  text(value: string): void {
    this.#reserve(4 + value.length * maxBytesPerCharacter);
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

  /** @returns false where the text has a character that is not ASCII: the caller writes it again */
  #ascii(value: string): boolean {
    const memory = this.#memory;
    for (let index = 0; index < value.length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      memory[this.#at++] = code;
    }
    return true;
  }

  #copy(start: number, end: number): void {
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
