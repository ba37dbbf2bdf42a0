import pg from 'pg';

/** Opens a connection. The caller ends it. */
export async function connectClient(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  // A connection that breaks fails the statements that wait for it. Without a listener, the error event would
  // end the process.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs `use` with a connection of its own, and ends the connection. */
export async function withClient<Result>(
  url: string,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await connectClient(url);
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** The URL of another database on the same server. */
export function urlOfDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
