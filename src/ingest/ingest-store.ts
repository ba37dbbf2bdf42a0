import type {
  BatchNeeds,
  TenantPlan,
  TenantSnapshot,
  WithTenant,
} from '../domain/decide/tenant-plan.ts';
import type { WorkBudget } from '../scheduling/work-budget.ts';

/** What to write for a tenant. The decisions are for the clients, and are not stored. */
export type TenantWrites = WithTenant<Omit<TenantPlan<unknown>, 'decisions'>>;

/** One transaction, in two round trips: lock and load, then write and commit. */
export interface IngestTransaction {
  /**
   * Locks the tenants and loads what their batches need. Tenants that are seen for the first time get a row.
   *
   * @returns the snapshots by tenant
   */
  load(needs: readonly BatchNeeds[]): Promise<ReadonlyMap<string, TenantSnapshot>>;

  /**
   * Writes and commits. It is the last call: nothing can be added to the transaction afterwards.
   *
   * @param budget the work that is left for encoding the rows
   * @throws RequestProblem COMMIT_UNKNOWN when nobody knows whether the writes are stored
   */
  writeAndCommit(writes: readonly TenantWrites[], budget: WorkBudget): Promise<void>;
}

export interface IngestStore {
  /**
   * Runs `work` in one transaction. An error in `work` rolls the transaction back.
   *
   * @param mayRetry whether `work` runs again, from its beginning, after a deadlock or a timeout
   * @returns the result of `work`, after COMMIT was confirmed
   * @throws RequestProblem UNAVAILABLE or OVERLOADED (nothing was stored) or COMMIT_UNKNOWN (all or nothing
   *   was stored); the errors of `work`, with nothing stored
   */
  runTransaction<Result>(
    mayRetry: boolean,
    work: (transaction: IngestTransaction) => Promise<Result>,
  ): Promise<Result>;
}
