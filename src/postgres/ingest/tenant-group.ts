import { entityKey, type EntityRef } from '../../domain/record.ts';
import type { EventBase } from '../../domain/stored-event.ts';
import type { WithTenant, BatchNeeds } from '../../domain/decide/tenant-plan.ts';

/** The batches of one tenant within a group, in order of arrival. */
export interface TenantGroup<Batch> {
  readonly tenantId: string;
  readonly batches: readonly Batch[];
}

type BatchWithNeeds = { readonly needs: BatchNeeds };

export function groupByTenant<Batch extends BatchWithNeeds>(
  batches: readonly Batch[],
): readonly TenantGroup<Batch>[] {
  const groups = Map.groupBy(batches, ({ needs }) => needs.tenantId);
  return [...groups]
    .map(([tenantId, ofTenant]) => ({ tenantId, batches: ofTenant }))
    .sort((a, b) => compareText(a.tenantId, b.tenantId));
}

/** Everything the group has to load: each key, each entity and each base once, sorted. */
export function collectNeeds<Batch extends BatchWithNeeds>(groups: readonly TenantGroup<Batch>[]) {
  const keys: { tenantId: string; identityKey: string }[] = [];
  const entities: WithTenant<EntityRef>[] = [];
  const bases: WithTenant<EventBase>[] = [];
  for (const { tenantId, batches } of groups) {
    const ofKeys = new Set(batches.flatMap(({ needs }) => needs.identityKeys));
    for (const identityKey of [...ofKeys].sort()) keys.push({ tenantId, identityKey });
    const ofEntities = new Map(
      batches.flatMap(({ needs }) => needs.entities).map((ref) => [entityKey(ref), ref]),
    );
    for (const [, ref] of [...ofEntities].sort(([a], [b]) => compareText(a, b))) {
      entities.push({ tenantId, ...ref });
    }
    const ofBases = new Map(
      batches.flatMap(({ needs }) => needs.bases).map((base) => [base.version, base]),
    );
    for (const [, base] of [...ofBases].sort(([a], [b]) => a - b))
      bases.push({ tenantId, ...base });
  }
  return { keys, entities, bases };
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
