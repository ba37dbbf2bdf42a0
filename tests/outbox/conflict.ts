import type { Conflict, Resolution } from '../../src/protocol/conflict.ts';
import type { Client } from './client.ts';
import { request } from './request.ts';
import { type Data, saveRecord } from './view.ts';

/**
 * A person has seen both sides of an edit that failed with CONFLICT. Where no answer comes, the
 * same again is right.
 *
 * @param payload with `merge`: what is to be applied instead, in the edit's own kind
 * @throws UnavailableError, SignInError, RefusedError: it is still to be settled
 */
export async function resolve(
  client: Client,
  identityKey: string,
  resolution: Resolution,
  payload?: Data,
): Promise<void> {
  const path = `/api/sync/conflicts/${encodeURIComponent(identityKey)}/resolution`;
  const { current }: Conflict = await request(client, path, { resolution, payload });
  const { database } = client;
  database.transaction(() => {
    database.run("DELETE FROM queue WHERE status = 'failed' AND identity_key = ?", identityKey);
    if (current) saveRecord(database, current);
  });
}
