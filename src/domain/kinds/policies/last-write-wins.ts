import type { RecordContent } from '../../record-data.ts';
import type { Stamp } from '../../record.ts';
import type { IntentOf, Write } from '../intent.ts';
import { patchRules } from './patch.ts';
import type { SettledWrite, WriteRules } from './policy.ts';
import { putRules } from './put.ts';
import { removeRules } from './remove.ts';

/** The compiler requires an entry for every policy of a write. */
export const writeRules: {
  readonly [Policy in Write['policy']]: WriteRules<IntentOf<Policy>>;
} = {
  put: putRules,
  patch: patchRules,
  remove: removeRules,
};

export function rulesOfWrite(write: Write): WriteRules<Write> {
  return writeRules[write.policy];
}

/**
 * Settles one write against a record. The resulting record does not depend on the order in which writes arrive: each
 * field, and the deletion, has the value of the write with the greatest (effectiveAt, is it a delete, identityKey). A
 * patch needs a record that was put before, and loses without one: see `canPatch`.
 */
export function settleWrite(
  current: RecordContent | undefined,
  write: Write,
  stamp: Stamp,
): SettledWrite {
  return rulesOfWrite(write).settle(current, write, stamp);
}

/** @throws Error if the code of a kind returned something else than a write that can be stored */
export function assertWrite(write: Write): void {
  if (!Object.hasOwn(writeRules, write.policy)) throw new Error('not a put, a patch or a remove');
  rulesOfWrite(write).check(write);
}
