import {
  type EventFailure,
  eventFailures,
  type FailureEntry,
  type KindFailures,
} from '../../errors.ts';
import { entityKey, type EntityRef } from '../../record.ts';
import { assertNotPromise, isEntityType } from '../check-output.ts';
import type {
  Decision,
  EventContext,
  Fields,
  IntentOf,
  Records,
  RecordWrite,
  Rejection,
} from '../intent.ts';
import { assertWrite, rulesOfWrite } from './last-write-wins.ts';
import {
  definePolicy,
  type IntentRules,
  namesNoFields,
  type PlanContext,
  type PlannedWrites,
  type Policy,
} from './policy.ts';

type Decide = IntentOf<'decide'>;

export interface DecideDefinition<Payload> {
  /** Every record that `decide` reads or writes, except the event's own. */
  readonly reads: (payload: Payload) => readonly EntityRef[];
  /** Returns `accept(…)` or `reject(…)`. The order of arrival counts, not clocks. */
  readonly decide: (payload: Payload, records: Records, context: EventContext) => Decision;
}

/** Rules over several records: each event is decided on the result of all events that were accepted before it. */
export function decide<Payload>(rules: DecideDefinition<Payload>): Policy<Payload> {
  return definePolicy(
    (payload) => ({
      policy: 'decide',
      reads: rules.reads(payload),
      decide: (records, context) => rules.decide(payload, records, context),
    }),
    { family: 'decide', precondition: 'optional' },
  );
}

/** Accepts the event. Each record is written at most once, and only records that `reads` named. */
export function accept(...writes: readonly RecordWrite[]): Decision {
  return { accepted: true, writes };
}

/**
 * Refuses the event: nothing of it is stored. Whether the event can be sent again is a property of the code, in the
 * kind's table of failures.
 */
export function reject(
  code: string,
  message: string,
  options: Pick<Rejection, 'retryAfterMs' | 'path'> = {},
): Decision {
  return { accepted: false, rejection: { code, message, ...options } };
}

/** Creates a record or replaces its data. */
export function putRecord({ entityType, entityId }: EntityRef, fields: Fields): RecordWrite {
  return { entityType, entityId, write: { policy: 'put', fields } };
}

/** Changes some fields of a record that exists. */
export function patchRecord({ entityType, entityId }: EntityRef, fields: Fields): RecordWrite {
  return { entityType, entityId, write: { policy: 'patch', fields } };
}

export function removeRecord({ entityType, entityId }: EntityRef): RecordWrite {
  return { entityType, entityId, write: { policy: 'remove' } };
}

export const decideRules: IntentRules<Decide> = {
  ...namesNoFields,
  competesBy: 'arrival',
  remembersDevices: true,
  check({ reads }) {
    if (!Array.isArray(assertNotPromise(reads))) throw new Error('reads is not a list');
    // The ids come from the payload. They are checked together with the id of the event's own entity.
    for (const { entityType, entityId } of reads) {
      assertNotPromise(entityId);
      if (!isEntityType(entityType)) throw new Error('reads names an invalid entity type');
    }
  },
  readsOf: ({ reads }) => reads,
  isApplied: () => false,
  plan: planDecision,
};

function planDecision(intent: Decide, context: PlanContext): PlannedWrites {
  const { own, ordered, failures, eventContext } = context;
  const named = new Set([own, ...intent.reads].map(entityKey));
  const find = (entityType: string, entityId: string) => {
    const entity = { entityType, entityId };
    assertNamed(named, entity);
    return context.find(entity);
  };
  const decision = assertNotPromise(intent.decide({ find }, eventContext()));
  if (!decision.accepted) return { ok: false, failure: toFailure(decision.rejection, failures) };

  const written = new Set<string>();
  for (const { write, ...entity } of assertNotPromise(decision.writes)) {
    assertNamed(named, entity);
    if (written.has(entityKey(entity))) throw new Error(`${nameOf(entity)} is written twice`);
    written.add(entityKey(entity));
    assertWrite(write);
    if (rulesOfWrite(write).needsRecord && !context.find(entity)) {
      throw new Error(`${nameOf(entity)} cannot be patched, because it does not exist`);
    }
  }
  if (ordered && !written.has(entityKey(own))) {
    throw new Error('an ordered kind must write its own record, which stores its sequence');
  }
  return { ok: true, writes: decision.writes };
}

/** The codes in Landfall's own table that only a kind can decide. */
const sharedCodes = ['NOT_OWNER', 'NOT_FOUND'] as const;

function toFailure(rejection: Rejection, failures: KindFailures): EventFailure {
  const { code, message, path, retryAfterMs: requestedWait } = rejection;
  const entry = findEntry(code, failures);
  if (!entry) throw new Error(`rejects with ${code}, which is not in the kind's failures`);
  if (requestedWait !== undefined && !(Number.isSafeInteger(requestedWait) && requestedWait >= 0)) {
    throw new Error(`rejects with ${code} and an invalid retryAfterMs: ${requestedWait}`);
  }
  const retryAfterMs = requestedWait ?? entry.retryAfterMs;
  return {
    code,
    message,
    retryable: entry.retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(path !== undefined && { path }),
  };
}

function findEntry(code: string, failures: KindFailures): FailureEntry | undefined {
  for (const shared of sharedCodes) if (shared === code) return eventFailures[shared];
  return Object.hasOwn(failures, code) ? failures[code] : undefined;
}

function assertNamed(named: ReadonlySet<string>, entity: EntityRef): void {
  if (!named.has(entityKey(entity))) throw new Error(`reads does not name ${nameOf(entity)}`);
}

function nameOf({ entityType, entityId }: EntityRef): string {
  return `${entityType} ${JSON.stringify(entityId)}`;
}
