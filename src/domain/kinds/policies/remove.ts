import { noRecord, type RecordContent } from '../../record-data.ts';
import { isAfter, isAlive, type Stamp } from '../../record.ts';
import type { IntentOf } from '../intent.ts';
import {
  definePolicy,
  lastWriteWins,
  namesNoFields,
  type Policy,
  type SettledWrite,
  superseded,
  type WriteRules,
} from './policy.ts';

type Remove = IntentOf<'remove'>;

/** Last write wins on the existence of the record. The tombstone keeps the last data. */
export function remove(): Policy<unknown> {
  return definePolicy(() => ({ policy: 'remove' }), lastWriteWins);
}

export const removeRules: WriteRules<Remove> = {
  ...namesNoFields,
  competesBy: 'occurrence',
  remembersDevices: true,
  needsRecord: false,
  check() {},
  readsOf: () => [],
  isApplied: (_intent, data) => data === null,
  plan: (intent, { own }) => ({ ok: true, writes: [{ ...own, write: intent }] }),
  settle: (current, _write, stamp) =>
    current ? settleRemove(current, stamp) : settleWithoutRecord(stamp),
};

/** The tombstone tells creates that arrive later that they lost. */
function settleWithoutRecord(stamp: Stamp): SettledWrite {
  const record = { ...noRecord, clock: { remove: stamp } };
  return { outcome: 'applied', record, changed: true };
}

function settleRemove(current: RecordContent, stamp: Stamp): SettledWrite {
  const { clock } = current;
  if (clock.remove && isAfter(clock.remove, stamp)) return superseded(current);
  const record = { ...current, deleted: true, clock: { ...clock, remove: stamp } };
  if (isAlive(record.clock)) return superseded(current);
  const changed = !current.deleted;
  return { outcome: changed ? 'applied' : 'noop', record, changed };
}
