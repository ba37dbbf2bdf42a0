import type { ClientBase } from 'pg';

const text = 'SELECT secret FROM instance';

/** What the first migration made, once for the database. */
export async function readInstanceSecret(client: ClientBase): Promise<Buffer> {
  const { rows } = await client.query<{ secret: Buffer }>({ text });
  const [row] = rows;
  if (!row)
    throw new Error('the table instance is empty: restore its row, or start a new database');
  return row.secret;
}
