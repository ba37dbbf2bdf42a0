import type { StatementSender } from '../client/pipeline.ts';
import { retentionLock } from './take-lease.sql.ts';

const text = 'SELECT pg_advisory_unlock($1)';

/** For the session that has it. */
export async function releaseRetentionLease(sender: StatementSender): Promise<void> {
  await sender.query({ name: 'leave-retention-seat', text, values: [retentionLock] });
}
