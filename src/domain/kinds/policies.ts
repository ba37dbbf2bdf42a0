import type { EntityRef } from '../record.ts';
import type { Decision, EventContext, Fields, Intent, Records } from './intent.ts';

/**
 * What an event must say of the record it was made on: nothing, the version or the event, or
 * (implied) that there was none.
 */
export type Precondition = 'optional' | 'required' | 'absent';

interface PolicyRules {
  /** Kinds of one entity type share it, but for `decide`, which goes with either. */
  readonly family: 'last-write-wins' | 'append' | 'decide';
  readonly precondition: Precondition;
}

/**
 * How the events of a kind become writes: a pure function of a payload of the newest version, with
 * the rules that go with it. A new policy is a new function that returns one.
 */
export interface Policy<Payload> extends PolicyRules {
  (payload: Payload): Intent;
}

/** Last write wins on the whole record: fields that `fieldsOf` does not name are gone. */
export function put<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return lastWriteWins((payload) => ({ policy: 'put', fields: fieldsOf(payload) }));
}

/** Last write wins field by field, so that edits of different fields both survive. */
export function patch<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return lastWriteWins((payload) => ({ policy: 'patch', fields: fieldsOf(payload) }));
}

/** Last write wins on being there; the last data stays under the tombstone. */
export function remove(): Policy<unknown> {
  return lastWriteWins(() => ({ policy: 'remove' }));
}

/** A put that expects no record: where there is one, or was one, the event is a conflict. */
export function create<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return policy(put(fieldsOf), { family: 'last-write-wins', precondition: 'absent' });
}

/** Requires `baseVersion` or `baseKey` of every event, so that no edit overwrites one unseen. */
export function strict<Payload>(lenient: Policy<Payload>): Policy<Payload> {
  return policy(lenient, { family: lenient.family, precondition: 'required' });
}

/**
 * Each event is a fact that stays; the record is the fold of its facts, in the order of their
 * arrival. Where that order must not matter, either `reduce` gives the same in any order, as sums
 * and sets do, or the kind is `ordered`.
 */
export function append<Payload>(
  reduce: (before: Fields | undefined, fact: Payload, context: EventContext) => Fields,
): Policy<Payload> {
  const intend = (fact: Payload): Intent => ({
    policy: 'append',
    fold: (before, context) => reduce(before, fact, context),
  });
  return policy(intend, { family: 'append', precondition: 'optional' });
}

export interface DecideDefinition<Payload> {
  /** Every record that `decide` looks at or writes, but for the event's own. */
  readonly reads: (payload: Payload) => readonly EntityRef[];
  /** Answer with `accept` or `reject`. Order of arrival counts, not clocks. */
  readonly decide: (payload: Payload, records: Records, context: EventContext) => Decision;
}

/** Rules over several records: each event is decided on all that was accepted before it. */
export function decide<Payload>(rules: DecideDefinition<Payload>): Policy<Payload> {
  const intend = (payload: Payload): Intent => ({
    policy: 'decide',
    reads: rules.reads(payload),
    decide: (records, context) => rules.decide(payload, records, context),
  });
  return policy(intend, { family: 'decide', precondition: 'optional' });
}

function lastWriteWins<Payload>(intend: (payload: Payload) => Intent): Policy<Payload> {
  return policy(intend, { family: 'last-write-wins', precondition: 'optional' });
}

function policy<Payload>(
  intend: (payload: Payload) => Intent,
  rules: PolicyRules,
): Policy<Payload> {
  // A function of its own, so that the one given keeps its own rules.
  return Object.assign((payload: Payload) => intend(payload), rules);
}
