import type { Logged, ModelRecord, Replayed } from '../oracle/bundled/replay.ts';
import type { SentEvent } from '../oracle/events.ts';
import type { Device } from './device.ts';
import type { Evidence, Story } from './evidence.ts';
import type { Problem } from './report.ts';
import { byEntity, isEqual, type Shown, tell } from './shown.ts';
import type { StoredEvent, StoredRecord } from './stored.ts';

/** What a log should have come to. */
export type Model = (log: readonly Logged[]) => Replayed;

const limits = [1, 7, 100, 1000];
/** Above so many records a page of one is left out: it shows nothing that others do not. */
const manyRecords = 300;

/** The server's records and outcomes are those of the model. */
export function checkModel(evidence: Evidence, model: Model): Problem[] {
  const log = loggedOf(evidence);
  // Where payloads were dropped, nobody can tell any more.
  if (!log) return [];
  const { records, faults } = model(log);
  const server = byEntity(evidence.stored.records);
  const problems: Problem[] = faults.map(({ event, message }) => ({
    kind: 'model',
    identityKey: event.identityKey,
    message,
  }));
  const expected = byEntity([...records.values()].filter(({ version }) => version > 0));
  for (const key of new Set([...server.keys(), ...expected.keys()])) {
    const [stored, wanted] = [server.get(key), expected.get(key)];
    if (isEqual(stored, wanted) || (wanted?.deleted && isPurged(stored, wanted))) continue;
    const entity = stored ?? wanted;
    if (!entity) continue;
    const message = `is ${tell(stored)} at the server, where the model has ${tell(wanted)}`;
    problems.push({ kind: 'record', entity, message });
  }
  return problems;
}

/** A tombstone may be gone, or stand in the feed again without its data. */
function isPurged(stored: StoredRecord | undefined, wanted: ModelRecord): boolean {
  if (!stored) return true;
  return stored.deleted && stored.data === null && wanted.since.includes(stored.version);
}

export function modelRecords(evidence: Evidence, model: Model): ReadonlyMap<string, Shown> {
  const log = loggedOf(evidence);
  return byEntity([...(log ? model(log).records.values() : [])]);
}

/** Every table that a client can come to is the server's: theirs, and those of any other way. */
export async function checkPullers(evidence: Evidence): Promise<Problem[]> {
  const { devices, stored } = evidence;
  const live = byEntity(stored.records.filter(({ deleted }) => !deleted));
  const problems: Problem[] = [];
  const compare = async (device: Device, limit?: number) => {
    await device.catchUp(limit);
    problems.push(...differences(device, live));
    for (const message of device.pageFaults) {
      problems.push({ kind: 'page', device: device.name, message });
    }
  };
  for (const device of devices) await compare(device);
  for (const device of devices.slice(0, 1)) {
    for (const limit of limits) {
      if (limit === 1 && stored.records.length > manyRecords) continue;
      await compare(device.fresh(`a new client with pages of ${limit}`), limit);
    }
  }
  for (const device of devices) {
    for (const start of device.starts) {
      await compare(device.fresh(`${device.name} again from ${start.version}`, start), 13);
    }
  }
  return problems;
}

function differences(device: Device, live: ReadonlyMap<string, Shown>): Problem[] {
  const problems: Problem[] = [];
  for (const key of new Set([...device.table.keys(), ...live.keys()])) {
    const [seen, stored] = [device.table.get(key), live.get(key)];
    if (isEqual(seen, stored)) continue;
    const entity = seen ?? stored;
    if (!entity) continue;
    const message = `${device.name} has ${tell(seen)}, where the server has ${tell(stored)}`;
    problems.push({ kind: 'differs', device: device.name, entity, message });
  }
  return problems;
}

/** The log as the model reads it: the words of those who sent it, with what the service added. */
function loggedOf({ stored, stories }: Evidence): Logged[] | undefined {
  const log: Logged[] = [];
  for (const row of stored.log) {
    const logged = toLogged(row, stories.get(row.identityKey));
    if (!logged) return undefined;
    log.push(logged);
  }
  return log;
}

function toLogged(row: StoredEvent, story: Story | undefined): Logged | undefined {
  const { version, identityKey, outcome, effectiveAt, receivedAt, resolution } = row;
  const attempts = story?.attempts ?? [];
  const sent = attempts.find(({ event }) => event.kind === row.kind)?.event;
  if (!sent && row.payload === null) return undefined;
  const { baseVersion, baseKey, sequence, occurredAt } = (sent ?? {}) as Partial<SentEvent>;
  const payload = sent ? sent.payload : JSON.parse(row.payload ?? 'null');
  return {
    ...{ version, identityKey, outcome, effectiveAt, receivedAt, device: row.device },
    kind: row.kind,
    kindVersion: row.kindVersion,
    payload: payload as Logged['payload'],
    ...(typeof baseVersion === 'number' && { baseVersion }),
    ...(typeof baseKey === 'string' && { baseKey }),
    ...(typeof sequence === 'number' && { sequence }),
    occurredAt: typeof occurredAt === 'string' ? toMicros(occurredAt) : undefined,
    sentAts: attempts.map(({ request: { sentAt } }) => sentAt && sentAt * 1000),
    ...(resolution && { resolution }),
  };
}

/** Beyond the milliseconds that Date knows. */
function toMicros(time: string): number {
  const digits = /\.(\d+)/.exec(time)?.[1] ?? '';
  return Date.parse(time) * 1000 + Number(digits.padEnd(6, '0').slice(3, 6));
}
