import type { StatementSender } from '../client/pipeline.ts';

const text = 'SELECT pg_try_advisory_lock($1) AS taken';

/** Beside the migrations' own, which is Prisma's. Each database has its own set of them. */
export const retentionLock = 72_707_370;

/** False where another session has it. It is the session's: at the latest it ends with it. */
export async function takeRetentionLease(sender: StatementSender): Promise<boolean> {
  const { rows } = await sender.query<{ taken: boolean }>({
    name: 'take-retention-seat',
    text,
    values: [retentionLock],
  });
  return rows[0]?.taken === true;
}
