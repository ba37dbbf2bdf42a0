import type { z } from 'zod';
import { eventFailures, type KindFailures } from '../errors.ts';
import { entityTypeRule } from '../record.ts';
import { assertNotPromise, isEntityType } from './check-output.ts';
import type { EventContext, Fields, Intent, RecordView } from './intent.ts';
import { assertIntent, rulesOf } from './policies/intent-rules.ts';
import type { Policy, Precondition } from './policies/policy.ts';
import { type EntityType, entityTypeName } from './record-versions.ts';
import { SchemaVersions } from './schema-versions.ts';

/** What a kind makes of one valid payload. */
export interface Interpretation {
  readonly entityId: string;
  readonly intent: Intent;
  /** Set if the payload itself names the record version that the edit was made on. */
  readonly baseVersion?: number;
  /** The resolve hook of the kind, called with the fields that the event would write. */
  readonly resolve?: (current: RecordView, context: EventContext) => Fields | undefined;
}

export type InterpretationResult =
  | { readonly ok: true; readonly interpretation: Interpretation }
  /** The payload does not match the schema of its version. */
  | { readonly ok: false; readonly error: z.ZodError }
  | {
      readonly ok: false;
      readonly error?: undefined;
      /** What the code of the kind threw, or what Landfall threw because that code returned a value of a wrong type. */
      readonly fault: unknown;
      /** Undefined if the error happened before the id was known. */
      readonly entityId: string | undefined;
    };

/** A kind as the pipeline sees it: names, and one pure function from a payload to its interpretation. */
export interface Kind {
  readonly name: string;
  readonly entityType: string;
  /** The entity types whose data has versions, of those that the kind is about, reads or writes. */
  readonly entityTypes: readonly EntityType[];
  /** Payload versions 1 to this one are accepted. */
  readonly newestVersion: number;
  /** True: events of one entity have `sequence` 1, 2, 3 … and are accepted in that order only. */
  readonly ordered: boolean;
  readonly family: Policy<never>['family'];
  readonly precondition: Precondition;
  /** The scope that a token needs to send this kind, beside sync:push. */
  readonly scope: string | undefined;
  readonly failures: KindFailures;
  schemaOf(version: number): z.ZodType | undefined;
  /** @param version one of 1..newestVersion */
  interpret(version: number, payload: unknown): InterpretationResult;
}

export interface KindDefinition<Payload> {
  /** For example `note.put` or `WorkOrderUpdated`: 1 to 100 letters, digits and `.`, `_`, `-`, `:`, `/`. */
  readonly name: string;
  /** Its name. If the data of its records has versions: the value that `entityType(…)` returned. */
  readonly entityType: string | EntityType;
  /** For `decide`: the other entity types that it reads or writes and whose data has versions. */
  readonly otherTypes?: readonly EntityType[];
  readonly payload: SchemaVersions<Payload>;
  readonly entityId: (payload: Payload) => string;
  readonly policy: Policy<Payload>;
  readonly ordered?: boolean;
  /** The codes with which `decide` may reject, beside NOT_OWNER and NOT_FOUND. */
  readonly failures?: KindFailures;
  /** Only tokens with this scope may send the kind. Use it for events that a device must not decide itself. */
  readonly scope?: string;
  /** For clients whose payload contains the record version that the edit was made on; 0 for none yet. */
  readonly baseVersion?: (payload: Payload) => number;
  /**
   * For `put` and `patch`: called if the record changed since the version that the edit was made on. Returns the
   * merged data, or undefined to make the event a conflict. If it throws, the last write wins.
   */
  readonly resolve?: (
    current: RecordView,
    incoming: Fields,
    context: EventContext,
  ) => Fields | undefined;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/;
const failureCodePattern = /^[A-Za-z][A-Za-z0-9._-]{0,99}$/;
const codeForm = 'a letter and up to 99 letters, digits and . _ - after it';

/**
 * Defines a kind of event. Its functions must be pure: they are called again on every retry.
 *
 * @throws Error, naming the kind, if the definition is not consistent
 */
export function defineKind<Payload>(definition: KindDefinition<Payload>): Kind {
  checkDefinition(definition);
  const { name, entityType, otherTypes = [], payload, policy, ordered = false } = definition;
  return {
    name,
    entityType: entityTypeName(entityType),
    entityTypes: typeof entityType === 'string' ? otherTypes : [entityType, ...otherTypes],
    newestVersion: payload.newest,
    ordered,
    family: policy.family,
    precondition: policy.precondition,
    scope: definition.scope,
    failures: definition.failures ?? {},
    schemaOf: (version) => payload.schemaOf(version),
    interpret(version, raw) {
      let entityId: string | undefined;
      try {
        const result = payload.read(version, raw);
        if (!result.ok) return result;
        // First, because later events of this entity wait if the rest fails.
        entityId = assertNotPromise(definition.entityId(result.value));
        const unknown = payload.unknownTo(version);
        const interpretation = toInterpretation(definition, result.value, entityId, unknown);
        return { ok: true, interpretation };
      } catch (fault) {
        return { ok: false, fault, entityId };
      }
    },
  };
}

/** @param unknown the fields that the version of the payload does not know */
function toInterpretation<Payload>(
  { policy, baseVersion, resolve }: KindDefinition<Payload>,
  payload: Payload,
  entityId: string,
  unknown: readonly string[],
): Interpretation {
  const intended = assertIntent(assertNotPromise(policy(payload)));
  const intent = unknown.length === 0 ? intended : rulesOf(intended).withUnknown(intended, unknown);
  const hook = resolve && toHook(resolve, intent);
  return {
    entityId,
    intent,
    ...(baseVersion && { baseVersion: assertNotPromise(baseVersion(payload)) }),
    ...(hook && { resolve: hook }),
  };
}

type Resolve = NonNullable<KindDefinition<unknown>['resolve']>;

/** Undefined if the event names no fields that could be merged, such as a remove. */
function toHook(resolve: Resolve, intent: Intent): Interpretation['resolve'] {
  const rules = rulesOf(intent);
  if (rules.fieldsFor(intent, {}) === null) return undefined;
  return (current, context) => {
    const incoming = rules.fieldsFor(intent, current.data) ?? {};
    // A copy: the fields of the intent are written unchanged if the hook changes some of them and then throws.
    return assertNotPromise(resolve(current, structuredClone(incoming), context));
  };
}

function checkDefinition<Payload>(definition: KindDefinition<Payload>): void {
  const { name, entityType, payload, entityId, policy, failures = {}, resolve } = definition;
  const fail = (fault: string) => {
    throw new Error(`kind ${JSON.stringify(name)}: ${fault}`);
  };
  if (!namePattern.test(name)) {
    fail('a name is 1 to 100 letters and digits, with . _ - : / after the first');
  }
  const own = entityTypeName(entityType);
  if (!isEntityType(own)) fail(`${JSON.stringify(own)} ${entityTypeRule}`);
  // The compiler checks these members too, but not in a file whose types are only stripped.
  if (!(payload instanceof SchemaVersions)) fail('payload is not made by payload(schema)');
  if (typeof entityId !== 'function') fail('entityId is not a function of the payload');
  if (typeof policy !== 'function' || policy.family === undefined) {
    fail('policy is not made by put(…) or another policy function');
  }
  for (const code of Object.keys(failures)) {
    if (!failureCodePattern.test(code)) {
      fail(`the failure code ${JSON.stringify(code)} is not ${codeForm}`);
    }
    if (Object.hasOwn(eventFailures, code)) fail(`${code} is one of Landfall's own codes`);
  }
  if (resolve && policy.family !== 'last-write-wins') fail('resolve goes with put and patch only');
}
