import type { Sender } from '../client/pipeline.ts';
import { retentionLock } from './take-lease.sql.ts';

const text = 'SELECT pg_advisory_unlock($1)';

/** For the session that has it. */
export async function leaveRetentionSeat(sender: Sender): Promise<void> {
  await sender.query({ name: 'leave-retention-seat', text, values: [retentionLock] });
}
