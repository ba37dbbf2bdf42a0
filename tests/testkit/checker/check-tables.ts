import type { SentEvent } from '../events/sent-events.ts';
import type { ExpectedRecord, LogEvent, ReplayResult } from '../oracle/bundled/replay-log.ts';
import type { Device } from './device.ts';
import type { CheckData, EventTrace } from './event-traces.ts';
import type { Violation } from './report.ts';
import type { StoredEventRow, StoredRecordRow } from './stored-state.ts';
import {
  describeRecord,
  isSameRecord,
  recordsByEntity,
  type VisibleRecord,
} from './visible-record.ts';

/** Decides a log again, from what the clients have sent. */
export type ReferenceModel = (log: readonly LogEvent[]) => ReplayResult;

const pageLimits = [1, 7, 100, 1000];
/** Pages of one record take too long for more records than this, and find nothing that others do not. */
const manyRecords = 300;

/** The server's records, outcomes and times are those of the reference model. */
export function checkAgainstModel(data: CheckData, model: ReferenceModel): Violation[] {
  const log = logEventsOf(data);
  // Without the payloads that retention has removed, the model cannot decide.
  if (!log) return [];
  const { records, faults } = model(log);
  const server = recordsByEntity(data.stored.records);
  const violations: Violation[] = faults.map(({ event, message }) => ({
    kind: 'model',
    identityKey: event.identityKey,
    message,
  }));
  const expected = recordsByEntity([...records.values()].filter(({ version }) => version > 0));
  for (const key of new Set([...server.keys(), ...expected.keys()])) {
    const [stored, wanted] = [server.get(key), expected.get(key)];
    if (isSameRecord(stored, wanted) || (wanted?.deleted && isPurged(stored, wanted))) continue;
    const entity = stored ?? wanted;
    if (!entity) continue;
    const message = `is ${describeRecord(stored)} at the server, where the model has ${describeRecord(wanted)}`;
    violations.push({ kind: 'record', entity, message });
  }
  return violations;
}

/** A purged tombstone is gone, or a later event put it into the feed again without its data. */
function isPurged(stored: StoredRecordRow | undefined, wanted: ExpectedRecord): boolean {
  if (!stored) return true;
  return stored.deleted && stored.data === null && wanted.since.includes(stored.version);
}

export function expectedRecords(
  data: CheckData,
  model: ReferenceModel,
): ReadonlyMap<string, VisibleRecord> {
  const log = logEventsOf(data);
  return recordsByEntity([...(log ? model(log).records.values() : [])]);
}

/**
 * The table of every client is the server's, once the client has pulled to the end: the table of each device, of
 * new clients with pages of several sizes, and of clients that continue from where a device once was.
 */
export async function checkPullers({ devices, stored }: CheckData): Promise<Violation[]> {
  const live = recordsByEntity(stored.records.filter(({ deleted }) => !deleted));
  const violations: Violation[] = [];
  const compare = async (device: Device, limit?: number) => {
    await device.catchUp(limit);
    violations.push(...differences(device, live));
    for (const message of device.pageFaults) {
      violations.push({ kind: 'page', device: device.name, message });
    }
  };
  for (const device of devices) await compare(device);
  for (const device of devices.slice(0, 1)) {
    for (const limit of pageLimits) {
      if (limit === 1 && stored.records.length > manyRecords) continue;
      await compare(device.newClient(`a new client with pages of ${limit}`), limit);
    }
  }
  for (const device of devices) {
    for (const point of device.resumePoints) {
      await compare(device.newClient(`${device.name} again from ${point.version}`, point), 13);
    }
  }
  return violations;
}

function differences(device: Device, live: ReadonlyMap<string, VisibleRecord>): Violation[] {
  const violations: Violation[] = [];
  for (const key of new Set([...device.table.keys(), ...live.keys()])) {
    const [pulled, stored] = [device.table.get(key), live.get(key)];
    if (isSameRecord(pulled, stored)) continue;
    const entity = pulled ?? stored;
    if (!entity) continue;
    const message = `${device.name} has ${describeRecord(pulled)}, where the server has ${describeRecord(stored)}`;
    violations.push({ kind: 'differs', device: device.name, entity, message });
  }
  return violations;
}

/** The log for the model: what the clients have sent, with the versions, outcomes and times of the service. */
function logEventsOf({ stored, traces }: CheckData): LogEvent[] | undefined {
  const log: LogEvent[] = [];
  for (const row of stored.log) {
    const event = toLogEvent(row, traces.get(row.identityKey));
    if (!event) return undefined;
    log.push(event);
  }
  return log;
}

/** Undefined where nobody sent the event and retention has removed its payload. */
function toLogEvent(row: StoredEventRow, trace: EventTrace | undefined): LogEvent | undefined {
  const { version, identityKey, outcome, effectiveAt, receivedAt, resolution } = row;
  const attempts = trace?.attempts ?? [];
  const sent = attempts.find(({ event }) => event.kind === row.kind)?.event;
  if (!sent && row.payload === null) return undefined;
  const { baseVersion, baseKey, sequence, occurredAt } = (sent ?? {}) as Partial<SentEvent>;
  const payload = sent ? sent.payload : JSON.parse(row.payload ?? 'null');
  return {
    ...{ version, identityKey, outcome, effectiveAt, receivedAt, device: row.device },
    kind: row.kind,
    kindVersion: row.kindVersion,
    payload: payload as LogEvent['payload'],
    ...(typeof baseVersion === 'number' && { baseVersion }),
    ...(typeof baseKey === 'string' && { baseKey }),
    ...(typeof sequence === 'number' && { sequence }),
    occurredAt: typeof occurredAt === 'string' ? toMicros(occurredAt) : undefined,
    sentAts: attempts.map(({ request: { sentAt } }) => sentAt && sentAt * 1000),
    ...(resolution && { resolution }),
  };
}

/** Date.parse drops the digits after the milliseconds. */
function toMicros(time: string): number {
  const digits = /\.(\d+)/.exec(time)?.[1] ?? '';
  return Date.parse(time) * 1000 + Number(digits.padEnd(6, '0').slice(3, 6));
}
