import type { RecordClock } from '../record.ts';
import type { EffectiveTime } from './effective-time.ts';
import type { DraftRecord } from './tenant-draft.ts';

/** Of one record. A device that is forgotten only loses the order of its own edits where its clock went back. */
const maxDevices = 32;

/**
 * When a device last wrote to a record, in microseconds since 1970. The newest change of a record is by
 * the device in its origin, whose time need not be kept twice.
 */
export function lastWriteOfDevice(
  record: DraftRecord | undefined,
  deviceId: string | null,
): number | undefined {
  if (!record || deviceId === null) return undefined;
  const { devices } = record.clock;
  if (devices && Object.hasOwn(devices, deviceId)) return devices[deviceId];
  return record.originDevice === deviceId ? record.originAt : undefined;
}

/**
 * The time of an edit that comes after another of the same device: later than that one, even where the
 * device's clock or the network's delays say otherwise. No receipt is earlier than the last one, so it stays
 * at or before its receipt.
 */
export function afterLastWrite(
  time: EffectiveTime,
  last: number | undefined,
  receivedAt: number,
): EffectiveTime {
  if (last === undefined || time.effectiveAt > last) return time;
  return { ...time, effectiveAt: Math.min(last + 1, receivedAt) };
}

interface LastChange {
  readonly deviceId: string | null;
  readonly at: number;
}

/**
 * The times of a record's devices after a write.
 *
 * @param record before the write
 * @param write who wrote, and the time at which the write competed with others
 * @param origin the newest change of the record after the write
 */
export function deviceTimesAfterWrite(
  record: DraftRecord | undefined,
  write: LastChange,
  origin: LastChange,
): RecordClock['devices'] {
  if (!record?.clock.devices && isByOneDevice(record, write, origin)) return undefined;
  const times = new Map(Object.entries(record?.clock.devices ?? {}));
  if (record?.originDevice && !times.has(record.originDevice)) {
    times.set(record.originDevice, record.originAt);
  }
  if (write.deviceId !== null) times.set(write.deviceId, write.at);
  if (origin.deviceId !== null && times.get(origin.deviceId) === origin.at) {
    times.delete(origin.deviceId);
  }
  if (times.size === 0) return undefined;
  const newest = [...times].sort(([, one], [, other]) => other - one).slice(0, maxDevices);
  return Object.fromEntries(newest);
}

/** As most records are: then the origin says it all. */
function isByOneDevice(
  record: DraftRecord | undefined,
  write: LastChange,
  origin: LastChange,
): boolean {
  const before = record?.originDevice ?? write.deviceId;
  return before === write.deviceId && origin.deviceId === write.deviceId && origin.at === write.at;
}
