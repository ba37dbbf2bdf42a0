import type { StatementSender } from '../client/pipeline.ts';

/** Next to the lock of Prisma's migrations and that of the kind schemas. Each database has its own advisory locks. */
const retentionLock = 72_707_370;

const takeText = 'SELECT pg_try_advisory_lock($1) AS taken';

/**
 * Takes the lease for the session. The lease ends with the session at the latest.
 *
 * @returns false where another session holds the lease
 */
export async function takeRetentionLease(sender: StatementSender): Promise<boolean> {
  const statement = { name: 'take-retention-lease', text: takeText, values: [retentionLock] };
  const { rows } = await sender.query<{ taken: boolean }>(statement);
  return rows[0]?.taken === true;
}

const releaseText = 'SELECT pg_advisory_unlock($1)';

/** Call it in the session that holds the lease. */
export async function releaseRetentionLease(sender: StatementSender): Promise<void> {
  const values = [retentionLock];
  await sender.query({ name: 'release-retention-lease', text: releaseText, values });
}
