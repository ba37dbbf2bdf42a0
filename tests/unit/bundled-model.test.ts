import { expect, test } from 'vitest';
import { createEventWriter, type KnownRecord } from '../testkit/workload/event-writer.ts';
import { createUserOperations } from '../testkit/workload/operations.ts';
import { createRandom } from '../testkit/workload/random.ts';
import { type LogEvent, replayLog } from '../testkit/oracle/bundled/replay-log.ts';
import { entityKeyOf } from '../testkit/oracle/entity-key.ts';
import { MemoryTenant, type Sent } from './kinds/support/memory-tenant.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const unseen = { version: 0, deleted: true, data: null, purged: undefined };
const runs = Number(process.env.RUNS ?? 8);

/** Three devices that write to one tenant without a network between: the real deciding. */
function history(run: number) {
  const tenant = new MemoryTenant();
  const random = createRandom(seed + run, 'order');
  const sent = new Map<string, Sent>();
  const offsets = [0, -365 * 86_400_000, 365 * 86_400_000];
  const devices = offsets.map((offset, index) => {
    const table = new Map<string, KnownRecord>();
    const author = createEventWriter({
      device: `d${index}`,
      random: createRandom(seed + run, `d${index}`),
      now: () => tenant.now + offset,
      findRecord(entityType, entityId) {
        const entity = { entityType, entityId };
        const record = tenant.record(entity);
        // A device that has not pulled for a while knows what was.
        if (record && random.chance(0.5)) {
          table.set(entityKeyOf(entity), { ...record, data: JSON.parse(record.data ?? 'null') });
        }
        return table.get(entityKeyOf(entity));
      },
    });
    return { act: createUserOperations(index === 0), author };
  });
  for (let step = 0; step < 150; step += 1) {
    const { act, author } = random.pick(devices);
    const events = act(author) as readonly Sent[];
    for (const event of events) sent.set(event.identityKey, event);
    tenant.device = author.device;
    const outcomes = tenant.push(...random.shuffled(events));
    for (const { status, identityKey } of outcomes) {
      if (status === 'failed') author.forget(identityKey ?? '');
    }
    for (const entity of tenant.entities) if (random.chance(0.02)) tenant.purge(entity);
    tenant.now += random.int(0, 40_000);
  }
  return { tenant, sent };
}

function loggedOf({ tenant, sent }: ReturnType<typeof history>): LogEvent[] {
  return tenant.log.map((row) => {
    const event = sent.get(row.identityKey);
    if (!event) throw new Error(`nobody sent ${row.identityKey}`);
    const { version, outcome, effectiveAt, receivedAt, deviceId: device } = row;
    const { version: kindVersion = 1, occurredAt, payload, ...rest } = event;
    const at = occurredAt === undefined ? undefined : Date.parse(occurredAt) * 1000;
    return {
      ...rest,
      version,
      device,
      kindVersion,
      payload: payload as LogEvent['payload'],
      occurredAt: at,
      sentAts: [undefined],
      outcome,
      effectiveAt,
      receivedAt,
    };
  });
}

test(`the model of the bundled kinds decides as the service does (SEED=${seed})`, () => {
  const outcomes = new Set<string>();
  for (let run = 0; run < runs; run += 1) {
    const told = history(run);
    const { records, faults } = replayLog(loggedOf(told));
    expect(
      faults.map(({ event, message }) => `${event.kind} ${event.version}: ${message}`),
    ).toEqual([]);
    for (const { outcome } of told.tenant.log) outcomes.add(outcome);
    for (const record of records.values()) {
      const stored = told.tenant.record(record);
      const { version, deleted, data, purged } = stored ?? unseen;
      const shown = {
        key: entityKeyOf(record),
        version,
        deleted,
        data: JSON.parse(data ?? 'null'),
      };
      const { since, ...wanted } = record;
      expect({ ...shown, version: 0 }).toEqual({
        key: entityKeyOf(record),
        version: 0,
        deleted: wanted.deleted,
        data: purged ? null : wanted.data,
      });
      expect(purged ? [wanted.version, ...since] : [wanted.version]).toContain(version);
    }
  }
  expect([...outcomes].toSorted()).toEqual(['applied', 'conflict', 'merged', 'noop', 'superseded']);
});
