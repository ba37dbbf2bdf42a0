/**
 * Every table with rows of tenants except `tenants`, in the order of removal. The log comes late, so that
 * an interrupted removal keeps the evidence of what happened the longest. `resends` comes after the log, because
 * resends are counted as long as their event is there.
 */
export const tenantTables = [
  'records',
  'purged_records',
  'effects',
  'conflicts',
  'events',
  'resends',
] as const;

export type TenantTable = (typeof tenantTables)[number];
