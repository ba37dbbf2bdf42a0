import type { Intent } from '../kinds/intent.ts';
import type { EntityRef } from '../record.ts';

/** The entity that an event is about, and those that its kind reads besides. */
export function entitiesOf(
  { entityType, entityId }: EntityRef,
  intent: Intent | { readonly policy: 'discard' },
): readonly EntityRef[] {
  const own = { entityType, entityId };
  return intent.policy === 'decide' ? [own, ...intent.reads] : [own];
}

/**
 * What an event that cannot be read for a fault of its kind holds back: its entity, or where that is not
 * known, all of its type.
 */
export type BlockedScope = EntityRef | { readonly entityTypes: readonly string[] };
