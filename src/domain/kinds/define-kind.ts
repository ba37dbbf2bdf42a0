import type { z } from 'zod';
import { eventFailures, type FailureEntry } from '../errors.ts';
import { entityTypeRule } from '../record.ts';
import { assertIntent, assertNotPromise, isEntityType } from './check-output.ts';
import { type EntityType, entityTypeName } from './entity-type.ts';
import type { EventContext, Fields, Intent, RecordView } from './intent.ts';
import type { Policy, Precondition } from './policies.ts';
import { SchemaVersions } from './schema-versions.ts';

/** What a kind makes of one valid payload. */
export interface Interpretation {
  readonly entityId: string;
  readonly intent: Intent;
  /** Where the payload itself names the record version that the edit was made on. */
  readonly baseVersion?: number;
  /** The kind's resolution hook, with the fields that the event would write. */
  readonly resolve?: (current: RecordView, context: EventContext) => Fields | undefined;
}

export type InterpretationResult =
  | { readonly ok: true; readonly meaning: Interpretation }
  /** The payload is not what the schema of its own version says. */
  | { readonly ok: false; readonly error: z.ZodError }
  | {
      readonly ok: false;
      readonly error?: undefined;
      /** What the kind's own code threw, or Landfall where that code returned none of its types. */
      readonly fault: unknown;
      /** Where that was known by then. */
      readonly entityId: string | undefined;
    };

/** A kind's own reasons to refuse an event, by their code. */
export type KindFailures = { readonly [code: string]: FailureEntry };

/** A kind as the pipeline sees it: names, and one pure function from payload to meaning. */
export interface Kind {
  readonly name: string;
  readonly entityType: string;
  /** Of those that it is about, reads or writes, the ones whose data has versions. */
  readonly entityTypes: readonly EntityType[];
  /** Payload versions 1 to this one are accepted. */
  readonly newestVersion: number;
  /** True: events of one entity carry `sequence` 1, 2, 3 … and are taken in that order only. */
  readonly ordered: boolean;
  readonly family: Policy<never>['family'];
  readonly precondition: Precondition;
  /** The scope a token needs to send this kind, beside sync:push. */
  readonly scope: string | undefined;
  readonly failures: KindFailures;
  schemaOf(version: number): z.ZodType | undefined;
  /** @param version one of 1..newestVersion */
  interpret(version: number, payload: unknown): InterpretationResult;
}

export interface KindDefinition<Payload> {
  /** Such as `note.put` or `WorkOrderUpdated`: 1 to 100 letters, digits and `.`, `_`, `-`, `:`, `/`. */
  readonly name: string;
  /** Its name, or where its records' data has versions, what `entityType` made. */
  readonly entityType: string | EntityType;
  /** For `decide`: the other entity types that it reads or writes and whose data has versions. */
  readonly otherTypes?: readonly EntityType[];
  readonly payload: SchemaVersions<Payload>;
  readonly entityId: (payload: Payload) => string;
  readonly policy: Policy<Payload>;
  readonly ordered?: boolean;
  /** What `decide` may reject with, beside NOT_OWNER and NOT_FOUND. */
  readonly failures?: KindFailures;
  /** Only tokens with this scope may send the kind: for what a device must not decide itself. */
  readonly scope?: string;
  /** For clients whose payload holds the record version it was made on; 0 for none yet. */
  readonly baseVersion?: (payload: Payload) => number;
  /**
   * For `put` and `patch`: asked where the record changed since the version that the edit was made
   * on. Returns the merged data, or undefined to let it be a conflict. Where it throws, the last
   * write wins.
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
 * Defines a kind of event. The functions given must be pure: they run again on every retry.
 *
 * @throws Error, naming the kind, where the definition contradicts itself
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
        // First, as it says what waits behind an event on which the rest fails.
        entityId = assertNotPromise(definition.entityId(result.value));
        const unknown = payload.unknownTo(version);
        return { ok: true, meaning: toInterpretation(definition, result.value, entityId, unknown) };
      } catch (fault) {
        return { ok: false, fault, entityId };
      }
    },
  };
}

function toInterpretation<Payload>(
  { policy, baseVersion, resolve }: KindDefinition<Payload>,
  payload: Payload,
  entityId: string,
  unknown: readonly string[],
): Interpretation {
  const intent = withUnknown(assertIntent(assertNotPromise(policy(payload))), unknown);
  return {
    entityId,
    intent,
    ...(baseVersion && { baseVersion: assertNotPromise(baseVersion(payload)) }),
    ...(resolve &&
      'fields' in intent && {
        // A copy, as these fields are written as they are where the hook throws half-way.
        resolve: (current, context) =>
          assertNotPromise(
            resolve(current, structuredClone(fieldsBeside(current, intent)), context),
          ),
      }),
  };
}

/** A put has defaults of the fields that its version knows nothing of, a patch does not name them. */
function withUnknown(intent: Intent, unknown: readonly string[]): Intent {
  if (unknown.length === 0) return intent;
  switch (intent.policy) {
    case 'put':
      return { ...intent, unknown };
    case 'patch':
      return { ...intent, fields: without(intent.fields, unknown) };
    default:
      return intent;
  }
}

/** What an event would write on top of a record: without what it knows nothing of and the record has. */
function fieldsBeside(
  { data }: RecordView,
  { fields, unknown = [] }: { readonly fields: Fields; readonly unknown?: readonly string[] },
): Fields {
  return without(
    fields,
    unknown.filter((name) => Object.hasOwn(data, name)),
  );
}

function without(fields: Fields, names: readonly string[]): Fields {
  if (names.length === 0) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
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
  // Types say so, but a file that is run with its types stripped is not checked by them.
  if (!(payload instanceof SchemaVersions)) fail('payload is not made by payload(schema)');
  if (typeof entityId !== 'function') fail('entityId is not a function of the payload');
  if (typeof policy !== 'function' || policy.family === undefined) {
    fail('policy is none, such as put(…)');
  }
  for (const code of Object.keys(failures)) {
    if (!failureCodePattern.test(code)) {
      fail(`the failure code ${JSON.stringify(code)} is not ${codeForm}`);
    }
    if (Object.hasOwn(eventFailures, code)) fail(`${code} is one of Landfall's own codes`);
  }
  if (resolve && policy.family !== 'last-write-wins') fail('resolve goes with put and patch only');
}
