import type { RecordContent } from '../record-data.ts';
import { newestWriteAt, type RecordClock } from '../record.ts';
import type { DraftRecord } from './tenant-draft.ts';

/** The time that counts for an event. */
export interface EffectiveTime {
  /** Microseconds since 1970; never later than the receipt. */
  readonly effectiveAt: number;
  /** True: the client stated a time in the future, so the time of receipt counts. */
  readonly clockAdjusted: boolean;
}

/**
 * When an event happened, on the server's clock. A client's clock may be wrong by years. How long before `sentAt` the
 * event happened, on the same clock, is still right.
 */
export function toEffectiveTime(
  occurredAt: number | null,
  sentAt: number | null,
  receivedAt: number,
): EffectiveTime {
  if (occurredAt === null) return { effectiveAt: receivedAt, clockAdjusted: false };
  const corrected = sentAt === null ? occurredAt : receivedAt - (sentAt - occurredAt);
  if (corrected > receivedAt) return { effectiveAt: receivedAt, clockAdjusted: true };
  return { effectiveAt: corrected, clockAdjusted: false };
}

/**
 * The time of an edit that was made on the current state of the record: later than everything in the record, even if
 * clocks and network delays make it look earlier. Never later than its receipt.
 */
export function afterNewestWrite(
  record: RecordContent | undefined,
  time: EffectiveTime,
  receivedAt: number,
): EffectiveTime {
  return record ? afterLastWrite(time, newestWriteAt(record.clock), receivedAt) : time;
}

/**
 * The time of an edit that comes after another edit: later than that one, even if the device's clock or network delays
 * make it look earlier. Never later than its receipt: receipts never go back.
 */
export function afterLastWrite(
  time: EffectiveTime,
  last: number | undefined,
  receivedAt: number,
): EffectiveTime {
  if (last === undefined || time.effectiveAt > last) return time;
  return { ...time, effectiveAt: Math.min(last + 1, receivedAt) };
}

/**
 * When a device last wrote to a record, in microseconds since 1970. The device in the record's origin made its newest
 * change, so its time is usually not stored a second time.
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

/** Per record. If a device is forgotten, only the order of its own edits is lost, and only if its clock went back. */
const maxDevices = 32;

interface DeviceTime {
  readonly deviceId: string | null;
  readonly at: number;
}

/**
 * When each device last wrote to a record, after a write.
 *
 * @param record before the write
 * @param write the device that wrote, and the time at which the write competed with others
 * @param origin the newest change of the record after the write
 */
export function lastWriteTimesByDevice(
  record: DraftRecord | undefined,
  write: DeviceTime,
  origin: DeviceTime,
): RecordClock['devices'] {
  if (!record?.clock.devices && isWrittenByOneDevice(record, write, origin)) return undefined;
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

/** True for most records. Then the origin contains the time already. */
function isWrittenByOneDevice(
  record: DraftRecord | undefined,
  write: DeviceTime,
  origin: DeviceTime,
): boolean {
  const before = record?.originDevice ?? write.deviceId;
  return before === write.deviceId && origin.deviceId === write.deviceId && origin.at === write.at;
}
