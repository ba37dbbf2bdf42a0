import pg from 'pg';
import { withClient } from '../../tests/testkit/postgres/client.ts';

/** Takes row level security off every table that has it. @returns whether any had */
export function dropRowSecurity(databaseUrl: string): Promise<boolean> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class
        WHERE relrowsecurity AND relnamespace = 'landfall'::regnamespace`,
    );
    for (const { name } of rows) {
      await client.query(
        `ALTER TABLE ${pg.escapeIdentifier(name)} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY`,
      );
    }
    return rows.length > 0;
  });
}
