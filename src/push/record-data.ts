import type { Fields } from '../kinds/intent.ts';
import type { JsonValue } from '../protocol/json.ts';
import { canonicalJson } from './canonical-json.ts';

type Change = readonly [name: string, value: JsonValue];

/**
 * The data of one record: its fields, and their canonical JSON. Each form is made from the other when it is
 * first asked for, so that a record which many events of a group touch is parsed once and printed once.
 * Immutable.
 */
export class RecordData {
  #fields: Fields | undefined;
  #text: string | undefined;
  #length: number | undefined;
  #isFrozen = false;

  private constructor(fields: Fields | undefined, text?: string, length?: number) {
    this.#fields = fields;
    this.#text = text;
    this.#length = length ?? text?.length;
  }

  /** @param text canonical JSON of an object, as it is stored */
  static ofText(text: string): RecordData {
    return new RecordData(undefined, text);
  }

  static ofFields(fields: Fields): RecordData {
    return new RecordData(fields);
  }

  get fields(): Fields {
    this.#fields ??= JSON.parse(this.text) as Fields;
    return this.#fields;
  }

  /** The fields for a kind's own functions: frozen, as what they changed would be stored. */
  get frozenFields(): Fields {
    if (!this.#isFrozen) freezeDeep(this.fields);
    this.#isFrozen = true;
    return this.fields;
  }

  get text(): string {
    this.#text ??= canonicalJson(this.fields);
    return this.#text;
  }

  /** Characters of `text`. Known without printing where few fields were changed. */
  get length(): number {
    this.#length ??= this.text.length;
    return this.#length;
  }

  equals(other: RecordData | null): boolean {
    if (this === other) return true;
    return other !== null && this.length === other.length && this.text === other.text;
  }

  /** The same data with some fields replaced; this very object where they have these values already. */
  with(changes: readonly Change[]): RecordData {
    const { fields } = this;
    let { length } = this;
    let isEmpty = Object.keys(fields).length === 0;
    const changed: Change[] = [];
    for (const [name, value] of changes) {
      const printed = print(value);
      if (Object.hasOwn(fields, name)) {
        const before = print(fields[name] as JsonValue);
        if (before === printed) continue;
        length += printed.length - before.length;
      } else {
        // A colon after the name, and a comma unless it is the first.
        length += JSON.stringify(name).length + 1 + printed.length + (isEmpty ? 0 : 1);
        isEmpty = false;
      }
      changed.push([name, value]);
    }
    if (changed.length === 0) return this;
    return new RecordData({ ...fields, ...Object.fromEntries(changed) }, undefined, length);
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
