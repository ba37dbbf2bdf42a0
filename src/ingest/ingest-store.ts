import type { DecideTenantInSteps, BatchNeeds } from '../domain/decide/tenant-plan.ts';

export interface IngestStore {
  /**
   * Decides and stores a group of batches in one transaction, in two round trips.
   *
   * @returns one decision per batch, in the order given, after COMMIT was confirmed
   * @throws RequestProblem UNAVAILABLE or OVERLOADED (nothing was stored) or COMMIT_UNKNOWN (all or
   *   nothing was); TooMuchWork, and whatever `decide` throws, with nothing stored
   */
  ingest<Batch extends { readonly needs: BatchNeeds }, Decision>(
    batches: readonly Batch[],
    decide: DecideTenantInSteps<Batch, Decision>,
  ): Promise<readonly Decision[]>;
}
