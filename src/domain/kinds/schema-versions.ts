import { z } from 'zod';
import { assertNotPromise } from './check-output.ts';
import { describeUndescribedFields } from './describe-undescribed-fields.ts';

interface Step {
  readonly schema: z.ZodType;
  /** From the value of the version before; version 1 has none. */
  readonly upcast?: (older: unknown) => unknown;
  /** The fields that the versions before it know nothing of. */
  readonly adds: readonly string[];
}

export interface VersionOptions {
  /**
   * The fields of the record that older versions know nothing of, so that a `put` of an older version leaves them
   * as they are. By default those that the schema has and the one before it has not, unless it lacks some of
   * that one: then a field may be an old one under a new name.
   */
  readonly adds?: readonly string[];
}

export type VersionResult<Newest> =
  | { readonly ok: true; readonly value: Newest }
  | { readonly ok: false; readonly error: z.ZodError };

/** An upcast made what the next version's schema refuses: a fault of the kind, and not of its sender. */
export class UpcastError extends Error {
  override readonly name = 'UpcastError';
}

/** Every version of a payload, or of a record's data, oldest first, with the way from each to the next. */
export class SchemaVersions<Newest> {
  readonly #steps: readonly Step[];

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  static first<Value>(schema: z.ZodType<Value>): SchemaVersions<Value> {
    return new SchemaVersions<Value>([{ schema, adds: [] }]);
  }

  get newest(): number {
    return this.#steps.length;
  }

  /** Adds a version: its schema, and the pure function that lifts the value before it. */
  next<Schema extends z.ZodType>(
    schema: Schema,
    upcast: (older: Newest) => z.input<Schema>,
    options: VersionOptions = {},
  ): SchemaVersions<z.output<Schema>> {
    const adds = options.adds ?? addedFields(this.#step(this.newest).schema, schema);
    // Sound: a step's upcast only ever receives what the step before it parsed.
    const step: Step = { schema, upcast: upcast as (older: unknown) => unknown, adds };
    return new SchemaVersions([...this.#steps, step]);
  }

  /** The fields that a version knows nothing of, as a later one added them. */
  unknownTo(version: number): readonly string[] {
    return this.#steps.slice(version).flatMap(({ adds }) => adds);
  }

  schemaOf(version: number): z.ZodType | undefined {
    return this.#steps[version - 1]?.schema;
  }

  /**
   * Validates a value of a known version by that version's own schema, and lifts it to the newest.
   *
   * @throws Error what a schema or an upcast throws; UpcastError
   */
  read(version: number, raw: unknown): VersionResult<Newest> {
    const parsed = this.parse(version, raw);
    if (!parsed.success) return { ok: false, error: parsed.error };
    let value: unknown = parsed.data;
    for (let older = version; older < this.newest; older += 1) value = this.lift(older, value);
    // Sound: the last step's schema is the one that `Newest` was inferred from.
    return { ok: true, value: value as Newest };
  }

  /** Validates a value of a known version, and lifts nothing. @throws Error what the schema throws */
  parse(version: number, raw: unknown) {
    return parseNow(this.#step(version).schema, raw);
  }

  /**
   * What a value of one version, as its schema made it, is in the next. It is validated again, so that a
   * wrong upcast shows as a fault, not as data.
   *
   * @throws Error what the upcast or the schema throws; UpcastError
   */
  lift(version: number, older: unknown): unknown {
    const { schema, upcast } = this.#step(version + 1);
    const parsed = parseNow(schema, upcast ? assertNotPromise(upcast(older)) : older);
    if (parsed.success) return parsed.data;
    const what = `version ${version + 1} that was made of version ${version}`;
    throw new UpcastError(`${what} ${this.describe(version + 1, parsed.error)}`);
  }

  /** What the schema of a version has against a value, for the log. */
  describe(version: number, error: z.ZodError): string {
    return `does not match its schema: ${describeUndescribedFields(this.#step(version).schema, error)}`;
  }

  #step(version: number): Step {
    const step = this.#steps[version - 1];
    if (!step) throw new Error(`there is no version ${version}`);
    return step;
  }
}

function addedFields(older: z.ZodType, newer: z.ZodType): readonly string[] {
  if (!(older instanceof z.ZodObject && newer instanceof z.ZodObject)) return [];
  const [before, after] = [Object.keys(older.shape), Object.keys(newer.shape)];
  const isAddition = before.every((name) => after.includes(name));
  return isAddition ? after.filter((name) => !before.includes(name)) : [];
}

/**
 * What `safeParse` does, but for a schema with an async check: that one throws as well, and leaves the
 * check's promise to nobody. Here it is at hand.
 *
 * @throws Error where the schema would have to wait
 */
function parseNow(schema: z.ZodType, value: unknown) {
  const parsed = assertNotPromise(schema._zod.run({ value, issues: [] }, { async: true }));
  // What is wrong is said by the schema's own words, which are dear and seldom needed.
  return parsed.issues.length > 0
    ? schema.safeParse(value)
    : { success: true as const, data: parsed.value };
}
