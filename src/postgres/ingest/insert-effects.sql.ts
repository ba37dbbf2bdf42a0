import type { QueryConfig } from 'pg';
import type { StoredEffect } from '../../domain/stored-event.ts';
import type { WithTenant } from '../../domain/decide/tenant-plan.ts';
import { int8, text } from '../client/binary-array.ts';
import { column, defineRowSet } from '../client/row-set.ts';

const effects = defineRowSet<WithTenant<StoredEffect>>({
  tenant_id: column(text, (effect) => effect.tenantId),
  entity_type: column(text, (effect) => effect.entityType),
  entity_id: column(text, (effect) => effect.entityId),
  version: column(int8, (effect) => effect.version),
  record_before: column(int8, (effect) => effect.recordBefore),
  record_after: column(int8, (effect) => effect.recordAfter),
});

const insertText = `
INSERT INTO effects (${effects.columns})
SELECT ${effects.columns}
FROM ${effects.unnest('effect')}`;

/** Notes which records beside its own an event wrote. */
export function insertEffects(rows: readonly WithTenant<StoredEffect>[]): QueryConfig {
  return { name: 'insert-effects', text: insertText, values: effects.values(rows) };
}
