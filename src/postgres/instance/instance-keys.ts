import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { Pool } from 'pg';
import { readInstanceSecret } from './read-instance-secret.sql.ts';
import { tenantScope, runInOneRoundTrip } from '../client/transaction.sql.ts';

/** Keys that every service process on one database shares. None of them signs a token. */
export interface InstanceKeys {
  /** For the MACs of checkpoints. */
  readonly checkpoint: KeyObject;
  /** Hashes tenant ids for the log. */
  readonly logHash: KeyObject;
}

/** Derives the keys from the secret that the first migration made. */
export async function readInstanceKeys(pool: Pool): Promise<InstanceKeys> {
  const secret = await runInOneRoundTrip(pool, tenantScope([]), readInstanceSecret);
  // As key objects: an HMAC with bare bytes imports them anew each time, at four times the cost.
  const derive = (purpose: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)));
  return { checkpoint: derive('landfall checkpoint'), logHash: derive('landfall log hash') };
}
