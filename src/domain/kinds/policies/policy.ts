import type { EventFailure, KindFailures } from '../../errors.ts';
import type { RecordContent, RecordData } from '../../record-data.ts';
import {
  type EntityRef,
  isAlive,
  type RecordClock,
  type RecordState,
  type Stamp,
} from '../../record.ts';
import type { EventContext, Fields, Intent, RecordView, RecordWrite, Write } from '../intent.ts';

/**
 * What an event must state about the record that its edit was made on. `optional`: nothing. `required`: the version
 * or the event. `absent`: the policy itself states that there was no record.
 */
export type Precondition = 'optional' | 'required' | 'absent';

interface PolicyTraits {
  /** The kinds of one entity type have the same family. `decide` goes with every other family. */
  readonly family: 'last-write-wins' | 'append' | 'decide';
  readonly precondition: Precondition;
}

/**
 * How the events of a kind become writes: a pure function of a payload of the newest version, with the traits of the
 * policy.
 */
export interface Policy<Payload> extends PolicyTraits {
  (payload: Payload): Intent;
}

/** The traits of the policies in which the last write wins. */
export const lastWriteWins: PolicyTraits = {
  family: 'last-write-wins',
  precondition: 'optional',
};

export function definePolicy<Payload>(
  toIntent: (payload: Payload) => Intent,
  traits: PolicyTraits,
): Policy<Payload> {
  // A new function, so that the given one keeps its own traits.
  return Object.assign((payload: Payload) => toIntent(payload), traits);
}

/** The base of an edit, as an event states it or its policy implies it. At most one of the two is not null. */
export interface EditBase {
  readonly baseVersion: number | null;
  readonly baseKey: string | null;
}

export type EditBaseResult =
  | { readonly ok: true; readonly base: EditBase }
  | { readonly ok: false; readonly message: string; readonly path: keyof EditBase };

/** What a policy may use to plan the writes of an event. */
export interface PlanContext {
  /** The entity of the event. */
  readonly own: EntityRef;
  readonly record: OwnRecord | undefined;
  /** Of the kind. */
  readonly ordered: boolean;
  readonly failures: KindFailures;
  /** When the event happened, in microseconds since 1970. */
  readonly effectiveAt: number;
  /** Returns the event as the functions of the kind see it. Most policies call none of them. */
  readonly eventContext: () => EventContext;
  /** A live record, as the functions of a kind see it. */
  readonly find: (entity: EntityRef) => RecordView | undefined;
}

/** The event's own record, as planning needs it. */
export type OwnRecord = RecordContent & Pick<RecordState, 'purged'>;

export type PlannedWrites =
  | { readonly ok: true; readonly writes: readonly RecordWrite[] }
  | { readonly ok: false; readonly failure: EventFailure };

/** Everything that the pipeline needs to know about the intents of one policy. */
export interface IntentRules<OneIntent> {
  /**
   * The time at which the writes of an event compete with other writes. `occurrence`: when the event happened.
   * `arrival`: when the server received it, because its writes build on the record as it is then.
   */
  readonly competesBy: 'occurrence' | 'arrival';
  /** Whether a record remembers when each device last wrote to it by this policy. */
  readonly remembersDevices: boolean;
  /**
   * Checks what the code of the kind returned.
   *
   * @throws Error if the pipeline cannot work with the intent
   */
  check(intent: OneIntent): void;
  /** The intent of a payload whose version does not know these fields. */
  withUnknown(intent: OneIntent, unknown: readonly string[]): OneIntent;
  /** The fields that the event would write to a record with this data; null if the intent names no fields. */
  fieldsFor(intent: OneIntent, data: Fields): Fields | null;
  /** The names of the fields in which the edit and the record differ. */
  differingNames(intent: OneIntent, data: Fields | null): readonly string[];
  /** The entities that the event reads or writes beside its own. */
  readsOf(intent: OneIntent): readonly EntityRef[];
  /** Whether the record already contains what the event asks for. `data` is null if there is no live record. */
  isApplied(intent: OneIntent, data: RecordData | null): boolean;
  /** @throws Error if the code of the kind throws, or returns something that cannot be stored */
  plan(intent: OneIntent, context: PlanContext): PlannedWrites;
}

/** For policies whose intents do not name the fields that they write. */
export const namesNoFields = {
  withUnknown: <OneIntent>(intent: OneIntent) => intent,
  fieldsFor: () => null,
  differingNames: () => [],
};

/** The additional rules of a policy that is a write to one record. */
export interface WriteRules<OneWrite extends Write> extends IntentRules<OneWrite> {
  /** Whether a `decide` kind may only use it on a record that exists. */
  readonly needsRecord: boolean;
  /** @param current undefined if there is no record */
  settle(current: RecordContent | undefined, write: OneWrite, stamp: Stamp): SettledWrite;
}

export interface SettledWrite {
  /** `superseded`: no part of the write is in the record. `noop`: it won, and changed nothing. */
  readonly outcome: 'applied' | 'noop' | 'superseded';
  readonly record: RecordContent;
  /** Whether the data or the deletion changed, also under a tombstone. */
  readonly changed: boolean;
  /** Some of the fields lost: the record contains other values than the write has. */
  readonly partly?: boolean;
}

/** @param shows whether any part of the write is in the data */
export function settleData(
  before: RecordContent,
  data: RecordData,
  clock: RecordClock,
  { isDataChanged, shows = true }: { readonly isDataChanged: boolean; readonly shows?: boolean },
): SettledWrite {
  const deleted = !isAlive(clock);
  const changed = isDataChanged || before.deleted !== deleted;
  const record = { deleted, data, clock };
  if (deleted) return { outcome: 'superseded', record, changed };
  if (changed) return { outcome: 'applied', record, changed };
  return { outcome: shows ? 'noop' : 'superseded', record, changed };
}

/** The result of a write that lost: the record has this content, which clients cannot tell from the one before. */
export function superseded(record: RecordContent): SettledWrite {
  return { outcome: 'superseded', record, changed: false };
}
