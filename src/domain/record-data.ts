import { canonicalJson } from './fingerprint.ts';
import type { JsonValue } from './json-value.ts';
import type { Fields } from './kinds/intent.ts';
import type { RecordClock } from './record.ts';

/** The part of a record that writes compete for. */
export interface RecordContent {
  readonly deleted: boolean;
  /** Null if only a delete is known, or the data was purged. */
  readonly data: RecordData | null;
  readonly clock: RecordClock;
}

/** The content where no event has written anything. */
export const noRecord: RecordContent = { deleted: true, data: null, clock: {} };

type Change = readonly [name: string, value: JsonValue];

/**
 * The data of one record: its fields, and their canonical JSON. Each of the two is computed from the other on first
 * use. A change is kept as a layer of replaced fields over the data before it. So a record that many events of a
 * group write to is parsed once and printed once, and the time for an event does not grow with the size of the
 * record. Immutable.
 */
export class RecordData {
  #fields: Fields | undefined;
  #text: string | undefined;
  #length: number | undefined;
  #base: RecordData | undefined;
  readonly #replaced: ReadonlyMap<string, JsonValue>;
  #isFrozen = false;

  private constructor(
    fields: Fields | undefined,
    text?: string,
    base?: RecordData,
    replaced: ReadonlyMap<string, JsonValue> = new Map(),
  ) {
    this.#fields = fields;
    this.#text = text;
    this.#length = text?.length;
    this.#base = base;
    this.#replaced = replaced;
  }

  /** @param text canonical JSON of an object, as it is stored */
  static ofText(text: string): RecordData {
    return new RecordData(undefined, text);
  }

  static ofFields(fields: Fields): RecordData {
    return new RecordData(fields);
  }

  get fields(): Fields {
    this.#fields ??= this.#base
      ? { ...this.#base.fields, ...Object.fromEntries(this.#replaced) }
      : (JSON.parse(this.text) as Fields);
    this.#base = undefined;
    return this.#fields;
  }

  /** The fields for the functions of a kind. They are frozen, because a change by such a function would be stored. */
  get frozenFields(): Fields {
    if (!this.#isFrozen) freezeDeep(this.fields);
    this.#isFrozen = true;
    return this.fields;
  }

  get text(): string {
    this.#text ??= canonicalJson(this.fields);
    return this.#text;
  }

  /** The number of characters in `text`. It is computed without printing the text if only fields were replaced. */
  get length(): number {
    this.#length ??= this.text.length;
    return this.#length;
  }

  get(name: string): JsonValue | undefined {
    if (this.#base) {
      return this.#replaced.has(name) ? this.#replaced.get(name) : this.#base.get(name);
    }
    return Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
  }

  equals(other: RecordData | null): boolean {
    if (this === other) return true;
    return other !== null && this.length === other.length && this.text === other.text;
  }

  /** The same data with some fields replaced; this object itself if the fields have these values already. */
  with(changes: readonly Change[]): RecordData {
    let { length } = this;
    const isLayered = this.#base !== undefined;
    const replaced = new Map(isLayered ? this.#replaced : []);
    let isSame = true;
    for (const [name, value] of changes) {
      const printed = print(value);
      const old = this.get(name);
      if (old === undefined) {
        // The name is followed by a colon. Every field but the first is preceded by a comma.
        const comma = length > '{}'.length ? 1 : 0;
        length += JSON.stringify(name).length + 1 + printed.length + comma;
      } else {
        const before = print(old);
        if (before === printed) continue;
        length += printed.length - before.length;
      }
      replaced.set(name, value);
      isSame = false;
    }
    if (isSame) return this;
    const next = new RecordData(undefined, undefined, this.#base ?? this, replaced);
    next.#length = length;
    return next;
  }
}

function print(value: JsonValue): string {
  return typeof value === 'object' && value !== null ? canonicalJson(value) : JSON.stringify(value);
}

function freezeDeep(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const child of Object.values(value)) freezeDeep(child);
}
