import type { z } from 'zod';
import { checkSync } from './check-output.ts';

interface Step {
  readonly schema: z.ZodType;
  /** From the payload of the version before; version 1 has none. */
  readonly upcast?: (older: unknown) => unknown;
}

export type PayloadResult<Payload> =
  | { readonly ok: true; readonly payload: Payload }
  | { readonly ok: false; readonly error: z.ZodError };

/** Every payload version of a kind, oldest first, with the way from each to the next. */
export class PayloadVersions<Newest> {
  readonly #steps: readonly Step[];

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  get newest(): number {
    return this.#steps.length;
  }

  /** Adds a version: its schema, and the pure function that lifts the payload before it. */
  next<Schema extends z.ZodType>(
    schema: Schema,
    upcast: (older: Newest) => z.input<Schema>,
  ): PayloadVersions<z.output<Schema>> {
    // Sound: a step's upcast only ever receives what the step before it parsed.
    const step: Step = { schema, upcast: upcast as (older: unknown) => unknown };
    return new PayloadVersions([...this.#steps, step]);
  }

  schemaOf(version: number): z.ZodType | undefined {
    return this.#steps[version - 1]?.schema;
  }

  /**
   * Validates a payload of a known version and lifts it to the newest.
   * Each lifted payload is validated again, so a wrong upcast shows as a failed event, not as data.
   */
  read(version: number, raw: unknown): PayloadResult<Newest> {
    let current = raw;
    for (const [index, step] of this.#steps.slice(version - 1).entries()) {
      const candidate = index > 0 && step.upcast ? checkSync(step.upcast(current)) : current;
      const parsed = parseNow(step.schema, candidate);
      if (!parsed.success) return { ok: false, error: parsed.error };
      current = parsed.data;
    }
    // Sound: the last step's schema is the one that `Newest` was inferred from.
    return { ok: true, payload: current as Newest };
  }
}

/**
 * What `safeParse` does, but for a schema with an async check: that one throws as well, and leaves the
 * check's promise to nobody. Here it is at hand.
 *
 * @throws Error where the schema would have to wait
 */
function parseNow(schema: z.ZodType, value: unknown) {
  const parsed = checkSync(schema._zod.run({ value, issues: [] }, { async: true }));
  // What is wrong is said by the schema's own words, which are dear and seldom needed.
  return parsed.issues.length > 0
    ? schema.safeParse(value)
    : { success: true as const, data: parsed.value };
}

/** Starts a kind's versions. Later: `payload(v1).next(v2, (older) => …)`. */
export function payload<Payload>(schema: z.ZodType<Payload>): PayloadVersions<Payload> {
  return new PayloadVersions<Payload>([{ schema }]);
}
