import type { PullAnswer } from '../../src/protocol/pull.ts';
import type { Client } from './client.ts';
import type { Database } from './database.ts';
import { RefusedError, request } from './request.ts';
import { saveRecord } from './view.ts';

/**
 * Fetches what changed since the last pull, from wherever that stopped.
 *
 * @throws UnavailableError, SignInError, RefusedError
 */
export async function pull(client: Client): Promise<void> {
  const { database } = client;
  for (let hasMore = true; hasMore; ) {
    const { checkpoint } = database.get('SELECT checkpoint FROM progress');
    const since = checkpoint ? `?since=${String(checkpoint)}` : '';
    try {
      const page: PullAnswer = await request(client, `/api/sync/changes${since}`);
      applyPage(database, page);
      ({ hasMore } = page);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.status !== 410 || !since) throw error;
      startBootstrap(database);
    }
  }
}

/** With its checkpoint in one transaction: none may tell of changes that a crash took away. */
function applyPage(database: Database, { changes, checkpoint, hasMore, position }: PullAnswer) {
  database.transaction(() => {
    for (const record of changes) saveRecord(database, record);
    database.run('UPDATE progress SET checkpoint = ?', checkpoint);
    if (hasMore) return;
    // What a bootstrap did not show again is gone; after any other pull there is no such record.
    database.run('DELETE FROM records WHERE generation < (SELECT generation FROM progress)');
    // These edits are in the records now.
    database.run("DELETE FROM queue WHERE status = 'processed' AND version < ?", position);
  });
}

/**
 * The server's history is not the one pulled so far. The old records show until the new ones are
 * complete. What the old history took may be missing in the new one, so it is sent again.
 */
function startBootstrap({ run, transaction }: Database): void {
  transaction(() => {
    run('UPDATE progress SET checkpoint = NULL, generation = generation + 1');
    run("UPDATE queue SET status = 'pending', version = NULL WHERE status = 'processed'");
  });
}
