import { setTimeout as sleep } from 'node:timers/promises';
import { RequestProblem } from '../../domain/errors.ts';
import type { IngestStore, IngestTransaction } from '../../ingest/ingest-store.ts';
import { maxAttempts, toStoreError } from '../client/errors.ts';
import type { SchemaPool } from '../client/pool.ts';
import { rollBack } from '../client/transaction.sql.ts';
import type { TenantNumbers } from '../tenants/tenant-numbers.ts';
import {
  type LoadedTenants,
  loadKnown,
  loadSnapshots,
  type NumberedTenants,
  OutdatedTenantsError,
} from './load-snapshots.ts';
import { RecordGoneError, writeAndCommit } from './write-plans.ts';

export interface IngestStoreOptions {
  readonly numbers: TenantNumbers;
  /** Called before a transaction that met a deadlock or a timeout is run again. */
  readonly onRetry: (error: unknown, attempt: number) => void;
}

export function createIngestStore(
  pool: SchemaPool,
  { numbers, onRetry }: IngestStoreOptions,
): IngestStore {
  return {
    async runTransaction({ tenantIds, mayRetry }, work) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const tenants = await numbers.ensure(tenantIds);
          return await runIngestTransaction(pool, tenants, work);
        } catch (error) {
          const attempts = attemptsFor(error);
          // As it is: the batches of the group are then committed one by one.
          if (attempts > 1 && !mayRetry && !isOfRemoval(error)) throw error;
          if (attempt >= attempts) throw toStoreError(error);
          if (error instanceof OutdatedTenantsError) numbers.forget(error.tenantIds);
          onRetry(error, attempt);
          // A random pause, so that two transactions that met once do not meet again.
          await sleep(Math.random() * 20 * 2 ** attempt);
        }
      }
    },
  };
}

/** The tenant of the transaction was removed, or is being removed. The next attempt finds what is there then. */
function isOfRemoval(error: unknown): boolean {
  return error instanceof OutdatedTenantsError || error instanceof RecordGoneError;
}

function attemptsFor(error: unknown): number {
  return isOfRemoval(error) ? 4 : maxAttempts(error);
}

/**
 * One attempt of one transaction. It takes two round trips, whatever the batches hold: lock and load, then write
 * and commit. Nothing of a tenant changes under its lock, so the statements behind the lock in the same round trip
 * see the state on which the plan is written.
 *
 * @throws pg errors and the errors of `work` when nothing was stored; RequestProblem COMMIT_UNKNOWN
 */
async function runIngestTransaction<Result>(
  pool: SchemaPool,
  tenants: NumberedTenants,
  work: (transaction: IngestTransaction) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  const { form } = pool;
  let places: LoadedTenants['places'] = new Map();
  let isClean = false;
  try {
    const result = await work({
      async load(needs, looksUpKeys) {
        const loaded = await loadSnapshots(client, { tenants, needs, looksUpKeys, tables: pool });
        places = loaded.places;
        return loaded.snapshots;
      },
      loadKnown: (needs) => loadKnown(client, { tenants, needs, form }),
      writeAndCommit: (writes, budget) =>
        writeAndCommit(client, { tenants, writes, places, form, budget }),
    });
    isClean = true;
    return result;
  } catch (error) {
    const isUnknown = error instanceof RequestProblem && error.code === 'COMMIT_UNKNOWN';
    isClean = !isUnknown && (await rollBack(client));
    throw error;
  } finally {
    client.release(!isClean);
  }
}
