import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { IngestStore } from '../../ingest/ingest-store.ts';
import { isTransient, maxAttempts, toStoreError } from '../client/errors.ts';
import { runIngestTransaction } from './ingest-transaction.ts';

export interface IngestStoreHooks {
  /** A transaction met a deadlock or a timeout and is run again. */
  readonly onRetry: (error: unknown, attempt: number) => void;
}

export function createIngestStore(pool: Pool, { onRetry }: IngestStoreHooks): IngestStore {
  return {
    async ingest(batches, decide) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await runIngestTransaction(pool, batches, decide);
        } catch (error) {
          // As a group it would make tenants wait for each other: the caller runs it batch by batch.
          if (isTransient(error) && batches.length > 1) throw error;
          if (!isTransient(error) || attempt >= maxAttempts(error)) throw toStoreError(error);
          onRetry(error, attempt);
          // Apart from each other, so that two that met once do not meet again.
          await sleep(Math.random() * 20 * 2 ** attempt);
        }
      }
    },
  };
}
