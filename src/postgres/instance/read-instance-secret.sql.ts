import type { StatementSender } from '../client/pipeline.ts';

const text = 'SELECT secret FROM instance';

/** The secret that the first migration stored, one for each database. */
export async function readInstanceSecret(sender: StatementSender): Promise<Buffer> {
  const { rows } = await sender.query<{ secret: Buffer }>({ name: 'read-instance-secret', text });
  const [row] = rows;
  if (!row) {
    throw new Error('the table instance is empty: restore its row, or start a new database');
  }
  return row.secret;
}
