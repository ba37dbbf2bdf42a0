import type { ClientBase } from 'pg';
import type { EffectRow, OfTenant } from '../store.ts';

const text = `
INSERT INTO effects (tenant_id, entity_type, entity_id, version, record_before, record_after)
SELECT tenant_id, entity_type, entity_id, version, record_before, record_after
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS effect (tenant_id, entity_type, entity_id, version, record_before, record_after)`;

/** Notes which records beside its own an event wrote. */
export async function insertEffects(
  client: ClientBase,
  effects: readonly OfTenant<EffectRow>[],
): Promise<void> {
  await client.query({
    name: 'insert-effects',
    text,
    values: [
      effects.map((effect) => effect.tenantId),
      effects.map((effect) => effect.entityType),
      effects.map((effect) => effect.entityId),
      effects.map((effect) => effect.version),
      effects.map((effect) => effect.recordBefore),
      effects.map((effect) => effect.recordAfter),
    ],
  });
}
