import type { StatementSender } from '../client/pipeline.ts';

const text = 'SELECT pg_advisory_xact_lock($1)';

/** Beside those of the migrations and of retention. */
const kindSchemasLock = 72_707_371;

/** Until the transaction ends: of processes that start at once, one compares and stores at a time. */
export async function lockKindSchemas(sender: StatementSender): Promise<void> {
  await sender.query({ text, values: [kindSchemasLock] });
}
