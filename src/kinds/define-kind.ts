import type { z } from 'zod';
import type { PayloadVersions } from './payload-versions.ts';
import type { Policy, Write } from './policies.ts';

/** What a kind makes of one valid payload. */
export interface Meaning {
  readonly entityId: string;
  readonly write: Write;
}

export type MeaningResult =
  | { readonly ok: true; readonly meaning: Meaning }
  | { readonly ok: false; readonly error: z.ZodError };

/** A kind as the pipeline sees it: names, and one pure function from payload to meaning. */
export interface Kind {
  readonly name: string;
  readonly entityType: string;
  /** Payload versions 1 to this one are accepted. */
  readonly newestVersion: number;
  /** True: events of one entity carry `sequence` 1, 2, 3 … and are taken in that order only. */
  readonly ordered: boolean;
  schemaOf(version: number): z.ZodType | undefined;
  /** @param version one of 1..newestVersion */
  interpret(version: number, payload: unknown): MeaningResult;
}

export interface KindDefinition<Payload> {
  /** `entity.verb`, such as `note.put`. */
  readonly name: string;
  readonly entityType: string;
  readonly payload: PayloadVersions<Payload>;
  readonly entityId: (payload: Payload) => string;
  readonly policy: Policy<Payload>;
  readonly ordered?: boolean;
}

const namePattern = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/;
/** No comma, as filters are lists of them; no line break, as keys are made of them. */
const entityTypePattern = /^[a-z][a-z0-9.-]*$/;

/**
 * Defines a kind of event. The functions given must be pure: they run again on every retry.
 *
 * @throws Error where the name is not of the form `entity.verb`, or the entity type not in lower case
 */
export function defineKind<Payload>(definition: KindDefinition<Payload>): Kind {
  const { name, entityType, payload, entityId, policy, ordered = false } = definition;
  if (!namePattern.test(name)) {
    throw new Error(`kind ${JSON.stringify(name)}: a name looks like entity.verb, in lower case`);
  }
  if (!entityTypePattern.test(entityType)) {
    throw new Error(`kind ${name}: ${JSON.stringify(entityType)} is no entity type, in lower case`);
  }
  return {
    name,
    entityType,
    newestVersion: payload.newest,
    ordered,
    schemaOf: (version) => payload.schemaOf(version),
    interpret(version, raw) {
      const result = payload.read(version, raw);
      if (!result.ok) return result;
      const meaning = { entityId: entityId(result.payload), write: policy(result.payload) };
      return { ok: true, meaning };
    },
  };
}
