import { LruMap } from 'toad-cache';
import type { Batch } from '../domain/decide/batch.ts';
import type { TenantSnapshot } from '../domain/decide/tenant-plan.ts';

// Which batches may share a transaction: how much a group holds, and which tenants are in quarantine.

type Sized = Pick<Batch, 'events' | 'bytes'>;

/** The sum of the events and bytes of batches, for limits that always have room for one batch. */
export class BatchTotals {
  #events = 0;
  #bytes = 0;

  get events(): number {
    return this.#events;
  }

  /** Whether the batch fits into these limits together with the others. The first batch always does. */
  takes(batch: Sized, maxEvents: number, maxBytes: number): boolean {
    if (this.#events === 0) return true;
    return this.#events + batch.events.length <= maxEvents && this.#bytes + batch.bytes <= maxBytes;
  }

  add({ events, bytes }: Sized): void {
    this.#events += events.length;
    this.#bytes += bytes;
  }

  remove({ events, bytes }: Sized): void {
    this.#events -= events.length;
    this.#bytes -= bytes;
  }
}

/** The tenants whose size was seen last. */
const maxTenants = 10_000;

/** Estimates how many bytes a batch has together with the records that it will load. */
export interface ExpectedBatchBytes {
  /** Notes how large the records of a tenant are. The next batches of the tenant are expected to load the same. */
  learn(snapshot: TenantSnapshot): void;
  of(batch: Batch): number;
}

/**
 * How much a batch loads is known only after the load. Without an estimate, a tenant with large records
 * would make the transactions of its neighbours slow again and again.
 */
export function createExpectedBatchBytes(): ExpectedBatchBytes {
  const bytesPerEntity = new LruMap<number>(maxTenants);
  return {
    learn({ tenantId, records }) {
      if (records.length === 0) return;
      const bytes = records.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
      bytesPerEntity.set(tenantId, bytes / records.length);
    },
    of: ({ tenantId, bytes, needs }) =>
      bytes + needs.entities.length * (bytesPerEntity.get(tenantId) ?? 0),
  };
}

/** Which tenants to choose from: only suspected ones, or suspected and confirmed ones. */
export type QuarantineState = 'suspected' | 'either';

/**
 * Tenants whose batches share no transaction with other tenants. A tenant is suspected when a group with
 * one of its batches has failed. It is confirmed when one of its batches has failed alone. A tenant is
 * released when one of its batches succeeds, so the quarantine never grows without bound.
 */
export class TenantQuarantine {
  /** In the order in which the tenants take turns. */
  readonly #isConfirmed = new Map<string, boolean>();

  has(tenantId: string): boolean {
    return this.#isConfirmed.has(tenantId);
  }

  /** The tenant becomes suspected, unless it is in quarantine already. */
  quarantine(tenantId: string): void {
    if (!this.has(tenantId)) this.#isConfirmed.set(tenantId, false);
  }

  /** A batch of the tenant has failed alone: it is confirmed, and goes to the end of the order. */
  keepQuarantined(tenantId: string): void {
    if (this.#isConfirmed.delete(tenantId)) this.#isConfirmed.set(tenantId, true);
  }

  release(tenantId: string): void {
    this.#isConfirmed.delete(tenantId);
  }

  /** The first tenant of these states that `isWaiting`. */
  next(states: QuarantineState, isWaiting: (tenantId: string) => boolean): string | undefined {
    for (const [tenantId, isConfirmed] of this.#isConfirmed) {
      const isChosen = states === 'either' || !isConfirmed;
      if (isChosen && isWaiting(tenantId)) return tenantId;
    }
    return undefined;
  }
}
