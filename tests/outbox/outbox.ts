import type { Resolution } from '../../src/domain/stored-event.ts';
import type { Conflict } from '../../src/protocol/conflict.ts';
import type { Client } from './client.ts';
import { openDatabase } from './database.ts';
import { plain } from './dialect.ts';
import { flush } from './flush.ts';
import { pull } from './pull.ts';
import { type Edit, enqueue, listQueue, nextAttemptAt } from './queue.ts';
import { knownVersion, saveRecord } from './records.ts';
import { request } from './request.ts';
import { type Data, readView } from './view.ts';

/** What every client may leave as it is. */
const defaults = { dialect: plain, batchSize: 50, clock: Date.now, random: Math.random };

type Defaulted = keyof typeof defaults;

export interface OutboxOptions
  extends Omit<Client, 'database' | Defaulted>,
    Partial<Pick<Client, Defaulted>> {
  /** The SQLite file: all that this client knows. */
  readonly file: string;
}

export type Outbox = ReturnType<typeof createOutbox>;

/**
 * An offline-first client in one file: edits are queued and seen at once, `sync` sends them and
 * fetches everyone else's. Nothing is kept in memory only, so it may be killed at any moment.
 */
export function createOutbox({ file, ...options }: OutboxOptions) {
  const database = openDatabase(file);
  const client: Client = { ...defaults, ...options, database };
  const list = (condition: string) => listQueue(database, condition);
  const settleFailed = (sql: string) => (identityKey: string) => {
    database.run(`${sql} WHERE status = 'failed' AND identity_key = ?`, identityKey);
  };
  const discard = settleFailed('DELETE FROM queue');
  return {
    enqueue: (edit: Edit, guarded?: boolean) => enqueue(client, edit, guarded),
    /** The entities of one type by id, as the user should see them. */
    view: (entityType: string) => readView(client, entityType),
    version: (entityType: string, entityId: string) => knownVersion(database, entityType, entityId),
    pending: () => list("status = 'pending'"),
    /** Those of the pending that are taken once the server is mended. */
    waitingForServer: () => list("status = 'pending' AND last_error ->> 'fault' = 'server'"),
    failed: () => list("status = 'failed'"),
    /** A person looked at a failed edit: it is sent once more as it is, or let go. */
    retry: settleFailed(`UPDATE queue
      SET status = 'pending', attempts = 0, next_attempt_at = 0, last_error = NULL`),
    discard,
    /**
     * The same for a CONFLICT, which the server keeps too, until a person has settled it. Where no
     * answer comes, the same again is right.
     *
     * @param payload with `merge`: what is to be applied instead, in the edit's own kind
     * @throws UnavailableError, SignInError, RefusedError: it is still to be settled
     */
    async resolve(identityKey: string, resolution: Resolution, payload?: Data): Promise<void> {
      const path = `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`;
      const { current }: Conflict = await request(client, path, { resolution, payload });
      database.transaction(() => {
        discard(identityKey);
        if (current) saveRecord(database, current);
      });
    },
    flush: () => flush(client),
    pull: () => pull(client),
    /** When the device comes online, and by a timer. Two at once do no harm. */
    async sync(): Promise<void> {
      // Whether a base still stands has to be known before its edit is sent.
      if (list("status = 'pending' AND event ->> 'baseVersion' > 0").length > 0) await pull(client);
      await flush(client);
      // Brings back what the flush has sent.
      await pull(client);
    },
    nextAttemptAt: () => nextAttemptAt(database),
    close: () => database.close(),
  };
}
