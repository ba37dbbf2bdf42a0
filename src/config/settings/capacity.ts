import { getHeapStatistics } from 'node:v8';
import { count, duration } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

/** One connection runs the transactions of a quarantined tenant. */
const quarantineConnections = 1;

/** The share of V8's heap limit. The limit follows the memory of the container. */
const defaultHeapPercent = 80;

const commitQueueSettings = {
  lanes: setting({
    variable: 'COMMIT_LANES',
    schema: count,
    default: '2',
    unit: 'transactions',
    summary: 'The maximum number of push transactions that run at the same time.',
    details:
      'One further transaction may run for a tenant in quarantine: see [group.isolated](log-reference.md#groupisolated).',
  }),
  maxGroupEvents: setting({
    variable: 'MAX_GROUP_EVENTS',
    schema: count,
    default: '500',
    unit: 'events',
    summary: 'The maximum number of events in one transaction.',
    details: 'A larger batch gets a transaction of its own.',
  }),
  maxGroupBytes: setting({
    variable: 'MAX_GROUP_BYTES',
    schema: count,
    default: '4194304',
    unit: 'bytes',
    summary: 'The maximum number of bytes in one transaction.',
    details:
      'The bytes are those of the payloads and of the records that the batches are expected to load. ' +
      'A larger batch gets a transaction of its own.',
  }),
  maxTenantBatches: setting({
    variable: 'MAX_TENANT_BATCHES',
    schema: count,
    default: '100',
    unit: 'batches',
    summary: 'The maximum number of batches of one tenant that wait.',
    details: 'A further batch is answered `TENANT_BUSY`.',
  }),
  maxQueuedEvents: setting({
    variable: 'MAX_QUEUED_EVENTS',
    schema: count,
    default: '20000',
    unit: 'events',
    summary: 'The maximum number of events of all tenants that wait.',
    details: 'A further batch is answered `OVERLOADED`.',
  }),
  maxQueuedBytes: setting({
    variable: 'MAX_QUEUED_BYTES',
    schema: count,
    default: '16777216',
    unit: 'bytes',
    summary: 'The maximum number of payload bytes of all tenants that wait.',
    details: 'A further batch is answered `OVERLOADED`.',
  }),
};

const readSettings = {
  lanes: optionalSetting({
    variable: 'READ_LANES',
    schema: count,
    whenUnset: undefined,
    defaultText: 'what `DATABASE_POOL_SIZE` leaves, so `7`',
    example: '7',
    unit: 'reads',
    summary: 'The maximum number of reads that run at the same time.',
    details: 'Reads are pulls, and requests for conflicts, histories and receipts.',
  }),
  maxTenantReads: setting({
    variable: 'MAX_TENANT_READS',
    schema: count,
    default: '100',
    unit: 'reads',
    summary: 'The maximum number of reads of one tenant that wait.',
    details: 'A further read is answered `TENANT_BUSY`.',
  }),
  maxQueuedReads: setting({
    variable: 'MAX_QUEUED_READS',
    schema: count,
    default: '1000',
    unit: 'reads',
    summary: 'The maximum number of reads of all tenants that wait.',
    details: 'A further read is answered `OVERLOADED`.',
  }),
};

const overloadSettings = {
  maxEventLoopDelayMs: setting({
    variable: 'MAX_EVENT_LOOP_DELAY',
    schema: duration,
    default: '500ms',
    unit: 'duration',
    summary: 'The maximum delay of the event loop.',
    details:
      'When the delay stays above it for a second, part of the requests are answered `OVERLOADED`: ' +
      'see [Overload](operations.md#overload).',
  }),
  maxHeapBytes: optionalSetting({
    variable: 'MAX_HEAP_BYTES',
    schema: count,
    whenUnset: undefined,
    defaultText: `${defaultHeapPercent} % of V8's heap limit`,
    example: '500000000',
    unit: 'bytes',
    summary: 'The maximum size of the heap that is in use after a garbage collection, in bytes.',
    details:
      'Beyond it every request is answered `OVERLOADED`, until V8 has collected no garbage for ten seconds. ' +
      "V8's heap limit follows the memory of the container and `--max-old-space-size`.",
  }),
};

export const capacitySettings = {
  databasePoolSize: setting({
    variable: 'DATABASE_POOL_SIZE',
    schema: count,
    default: '10',
    unit: 'connections',
    summary: 'The number of connections in the pool of this process.',
    details:
      'The service does not start with less than `COMMIT_LANES` + `READ_LANES` + ' +
      `${quarantineConnections}. \`/readyz\` uses one more connection, and a pass of retention another one.`,
  }),
  maxGroupTenants: optionalSetting({
    variable: 'GROUP_TENANTS',
    schema: count,
    whenUnset: Infinity,
    example: '1',
    unit: 'tenants',
    summary: 'The maximum number of tenants in one transaction.',
    details:
      'This holds for pushes, for polls that are answered together, and for the counts of resends. Set `1` ' +
      'for a database that is [distributed by tenant](operations.md#distribution-by-tenant). Without it there is ' +
      'no maximum, which is faster on one node.',
  }),
  commitQueue: commitQueueSettings,
  reads: readSettings,
  overload: overloadSettings,
};

/** The connections of the pool that may be in use at the same time. */
export function neededConnections(commitLanes: number, readLanes: number): number {
  return commitLanes + readLanes + quarantineConnections;
}

/** All connections that pushes leave. */
export function defaultReadLanes(poolSize: number, commitLanes: number): number {
  return poolSize - neededConnections(commitLanes, 0);
}

export function defaultMaxHeapBytes(): number {
  return Math.floor((getHeapStatistics().heap_size_limit * defaultHeapPercent) / 100);
}
