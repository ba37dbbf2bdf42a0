import type { ClientBase } from 'pg';

/** Commits what `work` did, or leaves nothing of it and the connection clean. */
export async function inTransaction<Result>(
  client: ClientBase,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Where the connection is gone there is nothing to roll back; the error says so.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
