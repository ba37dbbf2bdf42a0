/**
 * Every table that holds rows of tenants, but for `tenants`, in the order of removal. The log late, as
 * it proves the most; `replays` after it, as a count may still come in for an event that is there.
 */
export const tenantTables = [
  'records',
  'purged_records',
  'effects',
  'conflicts',
  'events',
  'replays',
] as const;

export type TenantTable = (typeof tenantTables)[number];
