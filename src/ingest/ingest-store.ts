import type { BatchNeeds, TenantPlan, TenantSnapshot } from '../domain/decide/tenant-plan.ts';
import type { KnownEvent } from '../domain/event.ts';
import type { WorkBudget } from '../scheduling/work-budget.ts';

/** What to write for a tenant. The decisions are for the clients, and are not stored. */
export interface TenantWrites extends Omit<TenantPlan<unknown>, 'decisions'> {
  readonly tenantId: string;
}

/** An event of the transaction was stored before, by a transaction that did not look up its key. Nothing was stored. */
export class KeyStoredError extends Error {
  override readonly name = 'KeyStoredError';

  constructor(cause: unknown) {
    super('an event of the group is stored already', { cause });
  }
}

/** One transaction, in two round trips: lock and load, then write and commit. */
export interface IngestTransaction {
  /**
   * Locks the tenants and loads what their batches need.
   *
   * @param looksUpKeys whether the stored events under the keys of a tenant's events are loaded too. Without them an
   *   event that is stored already looks new, and `writeAndCommit` refuses it
   * @returns the snapshots by tenant
   */
  load(
    needs: readonly BatchNeeds[],
    looksUpKeys: (tenantId: string) => boolean,
  ): Promise<ReadonlyMap<string, TenantSnapshot>>;

  /** Loads the stored events under the keys that `load` did not look up. @returns them by tenant */
  loadKnown(needs: readonly BatchNeeds[]): Promise<ReadonlyMap<string, readonly KnownEvent[]>>;

  /**
   * Writes and commits. It is the last call: nothing can be added to the transaction afterwards.
   *
   * @param budget the work that is left for encoding the rows
   * @throws KeyStoredError when an event is stored already
   * @throws RequestProblem COMMIT_UNKNOWN when nobody knows whether the writes are stored
   */
  writeAndCommit(writes: readonly TenantWrites[], budget: WorkBudget): Promise<void>;
}

export interface TransactionOptions {
  /** The tenants of the batches, each once. Tenants that are seen for the first time get a row. */
  readonly tenantIds: readonly string[];
  /** Whether `work` runs again, from its beginning, after a deadlock or a timeout. */
  readonly mayRetry: boolean;
}

export interface IngestStore {
  /**
   * Runs `work` in one transaction. An error in `work` rolls the transaction back.
   *
   * @returns the result of `work`, after COMMIT was confirmed
   * @throws RequestProblem UNAVAILABLE or OVERLOADED (nothing was stored) or COMMIT_UNKNOWN (all or nothing
   *   was stored); the errors of `work`, with nothing stored
   */
  runTransaction<Result>(
    options: TransactionOptions,
    work: (transaction: IngestTransaction) => Promise<Result>,
  ): Promise<Result>;
}
