import { assertFields } from '../check-output.ts';
import type { EventContext, Fields, IntentOf } from '../intent.ts';
import { definePolicy, type IntentRules, namesNoFields, type Policy } from './policy.ts';

type Append = IntentOf<'append'>;

/**
 * Each event is a fact that stays. The record is the fold of its facts, in the order of their arrival. If that order
 * must not matter, either `reduce` gives the same result in any order, as sums and sets do, or the kind is `ordered`.
 */
export function append<Payload>(
  reduce: (before: Fields | undefined, fact: Payload, context: EventContext) => Fields,
): Policy<Payload> {
  return definePolicy(
    (fact) => ({ policy: 'append', fold: (before, context) => reduce(before, fact, context) }),
    { family: 'append', precondition: 'optional' },
  );
}

export const appendRules: IntentRules<Append> = {
  ...namesNoFields,
  competesBy: 'arrival',
  // Facts are folded in the order of arrival, so the times of devices decide nothing.
  remembersDevices: false,
  check() {},
  readsOf: () => [],
  isApplied: () => false,
  plan({ fold }, { own, eventContext, find }) {
    const fields = assertFields(fold(find(own)?.data, eventContext()));
    return { ok: true, writes: [{ ...own, write: { policy: 'put', fields } }] };
  },
};
