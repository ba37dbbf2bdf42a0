import { hkdfSync } from 'node:crypto';
import type { PrismaClient } from '../generated/client.ts';

/** Keys that every service process on one database shares. None of them signs a token. */
export interface InstanceKeys {
  /** Seals checkpoints. */
  readonly checkpoint: Buffer;
  /** Hashes tenant ids for the log. */
  readonly logHash: Buffer;
}

/** Derives the keys from the secret that the first migration made. */
export async function readInstanceKeys(prisma: PrismaClient): Promise<InstanceKeys> {
  const { secret } = await prisma.instance.findUniqueOrThrow({ where: { id: 1 } });
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
  return { checkpoint: derive('landfall checkpoint'), logHash: derive('landfall log hash') };
}
