import { z } from 'zod';
import { assertNotPromise } from './check-output.ts';

interface Step {
  readonly schema: z.ZodType;
  /** Converts a value of the version before; version 1 has none. */
  readonly upcast?: (older: unknown) => unknown;
  /** The fields that the versions before it do not know. */
  readonly adds: readonly string[];
}

export interface VersionOptions {
  /**
   * The fields of the record that older versions do not know. A `put` of an older version leaves these fields as they
   * are. The default is the fields that only the new schema has, if it also has all fields of the schema before it.
   * If it lacks one of those, a new field may be an old one under a new name, and the default is none.
   */
  readonly adds?: readonly string[];
}

export type VersionResult<Newest> =
  | { readonly ok: true; readonly value: Newest }
  | { readonly ok: false; readonly error: z.ZodError };

/** An upcast returned a value that the schema of the next version refuses. The kind has an error, not its sender. */
export class UpcastError extends Error {
  override readonly name = 'UpcastError';
}

/** Starts the versions of a kind's payload. Later versions: `payload(v1).next(v2, (older) => …)`. */
export function payload<Payload>(schema: z.ZodType<Payload>): SchemaVersions<Payload> {
  return SchemaVersions.first(schema);
}

/** All versions of a payload, or of a record's data, oldest first, with the upcasts between them. */
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

  /** Adds a version: its schema, and a pure function that converts a value of the version before. */
  next<Schema extends z.ZodType>(
    schema: Schema,
    upcast: (older: Newest) => z.input<Schema>,
    options: VersionOptions = {},
  ): SchemaVersions<z.output<Schema>> {
    const adds = options.adds ?? addedFields(this.#step(this.newest).schema, schema);
    // Sound: the upcast of a step only receives what the step before it parsed.
    const step: Step = { schema, upcast: upcast as (older: unknown) => unknown, adds };
    return new SchemaVersions([...this.#steps, step]);
  }

  /** The fields that a version does not know, because a later version added them. */
  unknownTo(version: number): readonly string[] {
    return this.#steps.slice(version).flatMap(({ adds }) => adds);
  }

  schemaOf(version: number): z.ZodType | undefined {
    return this.#steps[version - 1]?.schema;
  }

  /**
   * Validates a value by the schema of its version, and converts it to the newest version.
   *
   * @param version one of 1..newest
   * @throws Error what a schema or an upcast throws; UpcastError
   */
  read(version: number, raw: unknown): VersionResult<Newest> {
    const parsed = this.parse(version, raw);
    if (!parsed.success) return { ok: false, error: parsed.error };
    let value: unknown = parsed.data;
    for (let older = version; older < this.newest; older += 1) value = this.lift(older, value);
    // Sound: `Newest` was inferred from the schema of the last step.
    return { ok: true, value: value as Newest };
  }

  /**
   * Validates a value by the schema of its version, and does not convert it.
   *
   * @throws Error what the schema throws
   */
  parse(version: number, raw: unknown) {
    return parseSynchronously(this.#step(version).schema, raw);
  }

  /**
   * Converts a value, as the schema of its version returned it, to the next version. The result is validated, so that
   * a wrong upcast is an error and not wrong data.
   *
   * @throws Error what the upcast or the schema throws; UpcastError
   */
  lift(version: number, older: unknown): unknown {
    const { schema, upcast } = this.#step(version + 1);
    const parsed = parseSynchronously(schema, upcast ? assertNotPromise(upcast(older)) : older);
    if (parsed.success) return parsed.data;
    const what = `version ${version + 1} that was made of version ${version}`;
    throw new UpcastError(`${what} ${this.describe(version + 1, parsed.error)}`);
  }

  /** Why the schema of a version refused a value, for the log. */
  describe(version: number, error: z.ZodError): string {
    return `does not match its schema: ${describeForLog(this.#step(version).schema, error)}`;
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
 * Does what `safeParse` does. For a schema with an async check, `safeParse` throws and nobody handles the promise of
 * the check. Here the promise is available, so it gets a handler.
 *
 * @throws Error if the schema has an async check
 */
function parseSynchronously(schema: z.ZodType, value: unknown) {
  const parsed = assertNotPromise(schema._zod.run({ value, issues: [] }, { async: true }));
  // Composing the messages is slow, so `safeParse` does it only if there are issues.
  return parsed.issues.length > 0
    ? schema.safeParse(value)
    : { success: true as const, data: parsed.value };
}

/**
 * The first issue that a schema found, for the log. The path contains only names that the schema itself has: a client
 * may have chosen the other names, and the log does not contain data of clients.
 */
export function describeForLog(schema: z.ZodType, { issues: [issue] }: z.ZodError): string {
  if (!issue) throw new Error('Zod reported an error without an issue');
  const path = pathInSchema(schema, issue.path);
  const message = issue.code === 'unrecognized_keys' ? 'has an unknown field' : issue.message;
  return path === '' ? message : `${path}: ${message}`;
}

function pathInSchema(schema: z.ZodType, path: readonly PropertyKey[]): string {
  const names: string[] = [];
  let inner: z.ZodType | undefined = schema;
  for (const name of path) {
    inner = inner && childOf(inner, name);
    if (!inner) return [...names, '…'].join('.');
    names.push(String(name));
  }
  return names.join('.');
}

/** Undefined if the schema does not have the name itself. */
function childOf(schema: z.ZodType, name: PropertyKey): z.ZodType | undefined {
  const { shape, element, innerType, in: input } = schema._zod.def as NestingDefinition;
  if (shape) return Object.hasOwn(shape, name) ? shape[String(name)] : undefined;
  if (element) return element;
  const within = innerType ?? input;
  return within && childOf(within, name);
}

/** The definition of a Zod schema that contains other schemas. */
interface NestingDefinition {
  /** Of an object. */
  readonly shape?: { readonly [name: string]: z.ZodType };
  /** Of an array. */
  readonly element?: z.ZodType;
  /** Of optional, nullable, default and similar schemas. */
  readonly innerType?: z.ZodType;
  /** Of a pipe, which for example a transform makes. */
  readonly in?: z.ZodType;
}
