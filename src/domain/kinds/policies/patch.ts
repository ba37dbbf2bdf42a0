import type { EventFailure } from '../../errors.ts';
import { noRecord, type RecordContent, RecordData } from '../../record-data.ts';
import { isAfter, type Stamp, stampOf } from '../../record.ts';
import { assertFields } from '../check-output.ts';
import type { Fields, IntentOf } from '../intent.ts';
import { isDifferent, omitFields } from './fields.ts';
import {
  definePolicy,
  lastWriteWins,
  type PlanContext,
  type Policy,
  settleData,
  type SettledWrite,
  superseded,
  type WriteRules,
} from './policy.ts';

type Patch = IntentOf<'patch'>;

/** Last write wins field by field, so that edits of different fields are both kept. */
export function patch<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return definePolicy((payload) => ({ policy: 'patch', fields: fieldsOf(payload) }), lastWriteWins);
}

export const patchRules: WriteRules<Patch> = {
  competesBy: 'occurrence',
  remembersDevices: true,
  needsRecord: true,
  check({ fields }) {
    assertFields(fields);
  },
  withUnknown: (intent, unknown) => ({ ...intent, fields: omitFields(intent.fields, unknown) }),
  fieldsFor: ({ fields }) => fields,
  differingNames: ({ fields }, data) =>
    Object.keys(fields).filter((name) => isDifferent(name, fields, data)),
  readsOf: () => [],
  isApplied: ({ fields }, data) => data !== null && data.with(Object.entries(fields)) === data,
  plan: (intent, context) =>
    waitsForPut(context)
      ? { ok: false, failure: notFound(context.own.entityType) }
      : { ok: true, writes: [{ ...context.own, write: intent }] },
  settle(current = noRecord, { fields }, stamp) {
    return canPatch(current) ? settlePatch(current, fields, stamp) : superseded(current);
  },
};

/**
 * A patch needs the data of an earlier put: without a put, or after a purge, the other fields are unknown, and the
 * patch would make an incomplete record.
 */
export function canPatch(current: RecordContent | undefined): boolean {
  return current?.clock.put !== undefined && current.data !== null;
}

/**
 * A patch of a record that was never put waits for the create. If there was a put, and its data was purged, a patch
 * from before the delete has lost for ever. It must not wait, or it would block the queue of its client for ever.
 */
function waitsForPut({ record, effectiveAt }: PlanContext): boolean {
  if (canPatch(record)) return false;
  const removedAt = record?.purged && record.clock.put && record.clock.remove?.[0];
  return removedAt === undefined || effectiveAt > removedAt;
}

function notFound(entityType: string): EventFailure {
  return { code: 'NOT_FOUND', message: `this ${entityType} has not been created yet` };
}

function settlePatch(current: RecordContent, fields: Fields, stamp: Stamp): SettledWrite {
  const { clock } = current;
  const winning = Object.entries(fields).filter(([name]) => {
    const lastStamp = stampOf(clock, name);
    return !lastStamp || isAfter(stamp, lastStamp);
  });
  if (winning.length === 0) {
    // A patch without fields has nothing that could lose.
    const isEmpty = Object.keys(fields).length === 0;
    const settled = superseded(current);
    return isEmpty && !current.deleted ? { ...settled, outcome: 'noop' } : settled;
  }
  const data = (current.data ?? RecordData.ofFields({})).with(winning);
  const stamps = Object.fromEntries(winning.map(([name]) => [name, stamp] as const));
  const nextClock = { ...clock, fields: { ...clock.fields, ...stamps } };
  const isDataChanged = data !== current.data;
  const settled = settleData(current, data, nextClock, { isDataChanged });
  return { ...settled, partly: winning.length < Object.keys(fields).length };
}
