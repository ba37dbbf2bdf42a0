import type { PullAnswer } from '../../src/protocol/pull.ts';
import type { Client } from './client.ts';
import type { Database } from './database.ts';
import { saveRecord } from './records.ts';
import { RefusedError, request } from './request.ts';

/** The server's words for a checkpoint that leads nowhere any more: 410, and 400. */
const lostPlace = new Set<unknown>(['CHECKPOINT_EXPIRED', 'INVALID_CHECKPOINT']);

/**
 * Fetches what changed since the last pull, from wherever that stopped.
 *
 * @throws UnavailableError, SignInError, RefusedError
 */
export async function pull(client: Client): Promise<void> {
  const { database, entityTypes } = client;
  for (let hasMore = true, isBootstrap = false; hasMore; ) {
    const { checkpoint } = database.get('SELECT checkpoint FROM progress');
    const query = new URLSearchParams();
    if (checkpoint) query.set('since', String(checkpoint));
    if (entityTypes) query.set('entityTypes', entityTypes.join(','));
    try {
      const page: PullAnswer = await request(client, `/api/sync/changes?${query.toString()}`);
      applyPage(client, page);
      ({ hasMore } = page);
    } catch (error) {
      const isLost = error instanceof RefusedError && lostPlace.has(error.code);
      // Once: a server that refuses its own checkpoints must not be asked for ever.
      if (!isLost || !checkpoint || isBootstrap) throw error;
      startBootstrap(database);
      isBootstrap = true;
    }
  }
}

/** With its checkpoint in one transaction: none may tell of changes that a crash took away. */
function applyPage({ database, entityTypes }: Client, page: PullAnswer): void {
  const { changes, checkpoint, hasMore, position } = page;
  database.transaction(() => {
    for (const record of changes) saveRecord(database, record);
    database.run('UPDATE progress SET checkpoint = ?', checkpoint);
    // Of the types that an update of the app left out, no page will tell anything any more.
    const leftOut = 'DELETE FROM records WHERE entity_type NOT IN (SELECT value FROM json_each(?))';
    if (entityTypes) database.run(leftOut, JSON.stringify(entityTypes));
    if (hasMore) return;
    // What a bootstrap did not show again is gone; after any other pull there is no such record.
    database.run('DELETE FROM records WHERE generation < (SELECT generation FROM progress)');
    // These edits are in the records now.
    database.run("DELETE FROM queue WHERE status = 'processed' AND version < ?", position);
  });
}

/**
 * The server's history is not the one pulled so far, or it no longer goes on from there. The old
 * records show until the new ones are complete. What was taken and not yet pulled may be missing,
 * so it is sent again: where it is not missing, it is a duplicate.
 */
function startBootstrap({ run, transaction }: Database): void {
  transaction(() => {
    run('UPDATE progress SET checkpoint = NULL, generation = generation + 1');
    run("UPDATE queue SET status = 'pending', version = NULL WHERE status = 'processed'");
  });
}
