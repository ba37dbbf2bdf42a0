/** Every table that holds rows of tenants, but for `tenants`; the log last, as it proves the most. */
export const tenantTables = [
  'records',
  'purged_records',
  'effects',
  'conflicts',
  'replays',
  'events',
] as const;

export type TenantTable = (typeof tenantTables)[number];
