import type { ClientBase } from 'pg';
import { retentionLock } from './take-retention-seat.ts';

const text = 'SELECT pg_advisory_unlock($1)';

/** For the session that has it. */
export async function leaveRetentionSeat(client: ClientBase): Promise<void> {
  await client.query({ name: 'leave-retention-seat', text, values: [retentionLock] });
}
