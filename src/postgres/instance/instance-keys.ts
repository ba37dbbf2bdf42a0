import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { SchemaPool } from '../client/pool.ts';
import { runInOneRoundTrip, tenantScope } from '../client/transaction.sql.ts';
import { readInstanceSecret } from './read-instance-secret.sql.ts';

/** The keys that all service processes on one database share. None of them signs a token. */
export interface InstanceKeys {
  /** The key of the MACs of checkpoints. */
  readonly checkpoint: KeyObject;
  /** The key of the hashes of tenant ids in the log. */
  readonly logHash: KeyObject;
}

/** Derives the keys from the secret that the first migration stored. */
export async function readInstanceKeys(pool: SchemaPool): Promise<InstanceKeys> {
  const secret = await runInOneRoundTrip(pool, tenantScope([]), readInstanceSecret);
  // Key objects, because an HMAC with bytes imports the key each time, at four times the cost.
  const derive = (purpose: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)));
  return { checkpoint: derive('landfall checkpoint'), logHash: derive('landfall log hash') };
}
