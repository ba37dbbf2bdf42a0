import type { EntityRef } from '../../record.ts';
import type { Fields, Intent, IntentOf } from '../intent.ts';
import { appendRules } from './append.ts';
import { baseOfCreate } from './create.ts';
import { decideRules } from './decide.ts';
import { type Differences, toDifferences } from './fields.ts';
import { writeRules } from './last-write-wins.ts';
import {
  type EditBase,
  type EditBaseResult,
  type IntentRules,
  namesNoFields,
  type Precondition,
} from './policy.ts';
import { baseOfStrict } from './strict.ts';

/** The event settles a conflict by discarding the edit: the event is stored, and writes nothing. No kind makes it. */
interface Discard {
  readonly policy: 'discard';
}

const discardRules: IntentRules<Discard> = {
  ...namesNoFields,
  competesBy: 'arrival',
  remembersDevices: false,
  check() {},
  readsOf: () => [],
  isApplied: () => false,
  plan: () => ({ ok: true, writes: [] }),
};

/** The compiler requires an entry for every policy of an intent that a kind can make. */
const kindRules: { readonly [Policy in Intent['policy']]: IntentRules<IntentOf<Policy>> } = {
  ...writeRules,
  append: appendRules,
  decide: decideRules,
};

/** The intent of an event in the pipeline. */
export type EventIntent = Intent | Discard;

export function rulesOf<OneIntent extends EventIntent>(intent: OneIntent): IntentRules<OneIntent> {
  const rules = intent.policy === 'discard' ? discardRules : kindRules[intent.policy];
  // Sound: an intent is only passed to the rules of its own policy.
  return rules as IntentRules<EventIntent> as IntentRules<OneIntent>;
}

/** @throws Error if the code of a kind returned something else than an intent that the pipeline can work with */
export function assertIntent(intent: Intent): Intent {
  if (!Object.hasOwn(kindRules, intent.policy)) throw new Error('not an intent of a known policy');
  rulesOf(intent).check(intent);
  return intent;
}

/** The entity of an event, and those that its kind reads or writes beside it. */
export function entitiesOf(
  { entityType, entityId }: EntityRef,
  intent: EventIntent,
): readonly EntityRef[] {
  return [{ entityType, entityId }, ...rulesOf(intent).readsOf(intent)];
}

/** Compares an edit with the data of the record that it conflicts with. Only top-level fields are compared. */
export function differingFields(intent: EventIntent, data: Fields | null): Differences {
  return toDifferences(rulesOf(intent).differingNames(intent, data));
}

/**
 * What an edit was made on: as the event states it, else as its payload states it, else as the policy implies it.
 *
 * @param payloadVersion the record version that the payload names
 */
export function resolveBase(
  precondition: Precondition,
  { baseVersion, baseKey }: EditBase,
  payloadVersion: number | undefined,
): EditBaseResult {
  const isStated = baseVersion !== null || baseKey !== null;
  const base = { baseVersion: isStated ? baseVersion : (payloadVersion ?? null), baseKey };
  switch (precondition) {
    case 'absent':
      return baseOfCreate({ baseVersion, baseKey });
    case 'required':
      return baseOfStrict(base);
    case 'optional':
      return { ok: true, base };
    default:
      throw new Error(precondition satisfies never);
  }
}
