import type { JsonValue } from '../../json-value.ts';
import { noRecord, type RecordContent, RecordData } from '../../record-data.ts';
import {
  isAfter,
  isSameStamp,
  type RecordClock,
  type Stamp,
  stampOf,
  withFieldStamps,
} from '../../record.ts';
import { assertFields } from '../check-output.ts';
import type { Fields, IntentOf } from '../intent.ts';
import { isDifferent, omitFields } from './fields.ts';
import {
  definePolicy,
  lastWriteWins,
  type Policy,
  settleData,
  type SettledWrite,
  superseded,
  type WriteRules,
} from './policy.ts';

type Put = IntentOf<'put'>;

/** Last write wins on the whole record: fields that `fieldsOf` does not name are removed. */
export function put<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return definePolicy((payload) => ({ policy: 'put', fields: fieldsOf(payload) }), lastWriteWins);
}

export const putRules: WriteRules<Put> = {
  competesBy: 'occurrence',
  remembersDevices: true,
  needsRecord: false,
  check({ fields }) {
    assertFields(fields);
  },
  // The payload has default values for these fields, which do not replace values in the record.
  withUnknown: (intent, unknown) => ({ ...intent, unknown }),
  fieldsFor({ fields, unknown = [] }, data) {
    const kept = unknown.filter((name) => Object.hasOwn(data, name));
    return omitFields(fields, kept);
  },
  differingNames({ fields, unknown = [] }, data) {
    const unknownNames = new Set(unknown);
    const changed = Object.keys(fields).filter((name) => isDifferent(name, fields, data));
    const removed = Object.keys(data ?? {}).filter((name) => !Object.hasOwn(fields, name));
    return [...changed, ...removed].filter((name) => !unknownNames.has(name));
  },
  readsOf: () => [],
  isApplied({ fields, unknown = [] }, data) {
    if (data === null) return false;
    const kept = Object.entries(data.fields).filter(([name]) => unknown.includes(name));
    return RecordData.ofFields(fields).with(kept).equals(data);
  },
  plan: (intent, { own }) => ({ ok: true, writes: [{ ...own, write: intent }] }),
  settle(current = noRecord, { fields, unknown = [] }, stamp) {
    if (isPurged(current) && !isAfterRemove(current.clock, stamp)) {
      return settleOnPurged(current, stamp);
    }
    if (unknown.length > 0 || mustCompareFields(current.clock, stamp)) {
      return settleByField(current, fields, new Set(unknown), stamp);
    }
    return settleWhole(current, fields, stamp);
  },
};

/** There was data, and it was purged with the tombstone. */
function isPurged({ data, clock }: RecordContent): boolean {
  return data === null && clock.put !== undefined;
}

function isAfterRemove({ remove }: RecordClock, stamp: Stamp): boolean {
  return remove === undefined || stamp[0] > remove[0];
}

/** The data of the put is not kept, because the data that it competes with is gone. Its stamp is kept if it is newer. */
function settleOnPurged(current: RecordContent, stamp: Stamp): SettledWrite {
  const { clock } = current;
  const isNewest = clock.put !== undefined && isAfter(stamp, clock.put);
  return superseded(isNewest ? { ...current, clock: { ...clock, put: stamp } } : current);
}

/** Whether the newer of two puts does not simply win every field. */
function mustCompareFields({ put: newestPut, fields }: RecordClock, stamp: Stamp): boolean {
  if (!fields) return false;
  const isLate = newestPut !== undefined && isAfter(newestPut, stamp);
  return Object.values(fields).some((at) => isLate !== isAfter(at, stamp));
}

function settleWhole(current: RecordContent, fields: Fields, stamp: Stamp): SettledWrite {
  const { clock } = current;
  if (clock.put && isAfter(clock.put, stamp)) return superseded(current);
  const data = RecordData.ofFields(fields);
  const nextClock = withFieldStamps({ ...clock, put: stamp }, []);
  return settleData(current, data, nextClock, { isDataChanged: !data.equals(current.data) });
}

/**
 * Each field gets the value of its newest write. A put writes every field: the value, or that the field is removed.
 * Exceptions are the fields that its payload version does not know. For these it has default values, and every other
 * write wins over a default.
 */
function settleByField(
  current: RecordContent,
  fields: Fields,
  unknown: ReadonlySet<string>,
  stamp: Stamp,
): SettledWrite {
  const { clock } = current;
  const oldFields = current.data?.fields ?? {};
  const isNewest = !clock.put || isAfter(stamp, clock.put);
  const newestPut = isNewest ? stamp : clock.put;
  const data = new Map<string, JsonValue>();
  const stamps = new Map<string, Stamp>();
  const names = [oldFields, fields, clock.fields ?? {}].flatMap((some) => Object.keys(some));
  let shows = isNewest && Object.keys(fields).length === 0;
  let partly = false;
  for (const name of new Set([...names, ...unknown])) {
    const fieldStamp: Stamp = unknown.has(name) ? [stamp[0], stamp[1], 'default'] : stamp;
    const lastStamp = stampOf(clock, name);
    const wins = !lastStamp || isAfter(fieldStamp, lastStamp);
    // If the data was purged, the value that won over the default is gone, and the default is used.
    const source = wins || current.data === null ? fields : oldFields;
    if (Object.hasOwn(source, name)) data.set(name, source[name] as JsonValue);
    shows ||= wins && Object.hasOwn(fields, name);
    partly ||= !wins && !unknown.has(name);
    const newestStamp = wins ? fieldStamp : lastStamp;
    if (!isSameStamp(newestStamp, newestPut)) stamps.set(name, newestStamp);
  }
  const nextData = RecordData.ofFields(Object.fromEntries(data));
  const nextClock = withFieldStamps({ ...clock, put: newestPut }, [...stamps]);
  const isDataChanged = !nextData.equals(current.data);
  return { ...settleData(current, nextData, nextClock, { isDataChanged, shows }), partly };
}
