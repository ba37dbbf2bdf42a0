import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { answersOf } from '../testkit/checker/history.ts';
import { deliver, type DeliveryPlan, deliveryPlans } from '../testkit/events/delivery.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import {
  acceptedOf,
  type RandomWrite,
  randomWrites,
  propertyOptions,
  toAcceptedWrite,
  toEvent,
} from '../testkit/events/random-writes.ts';
import {
  effectiveAtOf,
  type FinalRecord,
  finalRecords,
  type FieldValue,
} from '../testkit/oracle/last-write-wins.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';

const timeoutMs = 120_000;

let pair: TestAppPair;
let services: TestAppPair['services'];
beforeAll(async () => {
  pair = await startAppPair({ kinds: documentKinds('doc') });
  services = pair.services;
});
afterAll(() => pair.close());

/** Pushes alternately to both services; without a device name, from a new device each time. */
function alternately(
  tenant: Tenant,
): (batch: readonly unknown[], device?: string) => Promise<PushAnswer> {
  let turn = 0;
  return (batch, device) => {
    turn += 1;
    const service = turn % 2 === 0 ? services[0] : services[1];
    return tenant.pushTo(service, batch, {}, device);
  };
}

async function expectConsistent(tenant: Tenant, keys: readonly string[]) {
  await expectNothingLost({ ...tenant.checkOptions, model: null });
  const log = await tenant.log();
  expect(log.map(({ identityKey }) => identityKey).toSorted()).toEqual(keys.toSorted());
  const firsts = answersOf(tenant.checkOptions.history).flatMap(({ results }) =>
    (results ?? []).filter(({ status }) => status !== 'failed' && status !== 'duplicate'),
  );
  expect(firsts).toHaveLength(log.length);
}

/** A tenant's records in the form of the model. */
async function finalRecordsOf(tenant: Tenant): Promise<FinalRecord[]> {
  return [...(await tenant.records()).values()]
    .map(({ entityId, deleted, data }) => ({
      entityId,
      deleted,
      data: data && (Object.entries(data).sort(byName) as [string, FieldValue][]),
    }))
    .sort((left, right) => (left.entityId < right.entityId ? -1 : 1));
}

const byName = ([left]: [string, unknown], [right]: [string, unknown]) => (left < right ? -1 : 1);

interface Timed {
  /** A day of January 2026. There are few days, so that times are equal. */
  readonly day: number;
}
const timeOf = ({ day }: Timed) => Date.UTC(2026, 0, day);

const historyArbitrary = randomWrites<Timed>({ day: fc.integer({ min: 1, max: 3 }) }, 14).chain(
  (writes) =>
    fc.tuple(
      fc.constant(writes),
      fc.array(deliveryPlans(writes.length), { minLength: 2, maxLength: 3 }),
    ),
);

/** Sends each event from a device of its own, as the service keeps the order of one device's edits. */
async function deliverWrites(writes: readonly (RandomWrite & Timed)[], plan: DeliveryPlan) {
  const tenant = await createTenant(services[0]);
  const events = writes.map((write) => toEvent(write, timeOf(write)));
  const push = alternately(tenant);
  await deliver(events, { ...plan, sizes: [1] }, (batch) => push(batch));
  return tenant;
}

test(
  'fault 21: the same events of different devices result in the same records, in any order and with any repetitions',
  async () => {
    await fc.assert(
      fc.asyncProperty(historyArbitrary, async ([writes, plans]) => {
        const accepted = acceptedOf(writes);
        const model = finalRecords(
          accepted.map((write) => toAcceptedWrite(write, timeOf(write) * 1000)),
        );
        for (const plan of plans) {
          const tenant = await deliverWrites(writes, plan);
          expect(await finalRecordsOf(tenant)).toEqual(model);
          await expectConsistent(
            tenant,
            accepted.map(({ identityKey }) => identityKey),
          );
        }
      }),
      propertyOptions(60),
    );
  },
  timeoutMs,
);

/** The order in which devices send, and the number of events each time. */
type Interleaving = readonly { readonly device: number; readonly size: number }[];

interface Queued extends Timed {
  readonly device: number;
}

const queuesArbitrary = randomWrites<Queued>(
  { day: fc.integer({ min: 1, max: 3 }), device: fc.nat({ max: 2 }) },
  14,
);
const interleavingArbitrary: fc.Arbitrary<Interleaving> = fc.array(
  fc.record({ device: fc.nat({ max: 2 }), size: fc.integer({ min: 1, max: 4 }) }),
  { minLength: 4, maxLength: 12 },
);

/** Puts every entity first, so that no patch has to wait for a put and is sent later than its device's next edits. */
const withFirstPuts = (writes: readonly (RandomWrite & Queued)[]): (RandomWrite & Queued)[] => [
  ...[...new Set(writes.map(({ entityId }) => entityId))].map((entityId, at) => ({
    identityKey: `found-${at}`,
    entityId,
    action: { policy: 'put', fields: {} } as const,
    day: 1,
    device: 3,
  })),
  ...writes,
];

/** Sends the queue of each device in its own order. */
async function interleave(
  tenant: Tenant,
  writes: readonly (RandomWrite & Queued)[],
  interleaving: Interleaving,
): Promise<void> {
  const queues = Map.groupBy(writes, ({ device }) => device);
  const push = alternately(tenant);
  const send = async (device: number, size: number) => {
    const batch = queues.get(device)?.splice(0, size) ?? [];
    if (batch.length === 0) return;
    const events = batch.map((write) => toEvent(write, timeOf(write)));
    expect((await push(events, `device ${device}`)).failed).toEqual([]);
    // Sends the batch again, as a device does that got no answer.
    if (size % 2 === 0) await push(events, `device ${device}`);
  };
  await send(3, Number.POSITIVE_INFINITY);
  for (const { device, size } of interleaving) await send(device, size);
  for (const device of queues.keys()) await send(device, Number.POSITIVE_INFINITY);
}

/** The effective time of each event: its own time, or a microsecond after its device's last event about the entity. */
function timesOf(writes: readonly (RandomWrite & Queued)[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  return new Map(
    writes.map((write) => {
      const deviceAndEntity = `${write.device} ${write.entityId}`;
      const at = Math.max(
        timeOf(write) * 1000,
        (last.get(deviceAndEntity) ?? Number.NEGATIVE_INFINITY) + 1,
      );
      last.set(deviceAndEntity, at);
      return [write.identityKey, at];
    }),
  );
}

test(
  'fault 21: the queues of several devices result in the same records in any interleaving, and each device keeps its own order',
  async () => {
    const interleavings = fc.array(interleavingArbitrary, { minLength: 2, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(queuesArbitrary, interleavings, async (queued, plans) => {
        const writes = withFirstPuts(queued);
        const times = timesOf(writes);
        const model = finalRecords(
          writes.map((write) => toAcceptedWrite(write, times.get(write.identityKey) ?? Number.NaN)),
        );
        for (const plan of plans) {
          const tenant = await createTenant(services[0]);
          await interleave(tenant, writes, plan);
          expect(await finalRecordsOf(tenant)).toEqual(model);
          await expectConsistent(
            tenant,
            writes.map(({ identityKey }) => identityKey),
          );
        }
      }),
      propertyOptions(40),
    );
  },
  timeoutMs,
);

const minute = 60_000;

interface Occurrence {
  /** The number of the device that sends it. */
  readonly device: number;
  /** Minutes since the write; negative where the clock was set back since; null where the device sends no time. */
  readonly ago: number | null;
}
interface DeviceBehaviour {
  /** Milliseconds by which its clock is off. */
  readonly clockOffset: number;
  readonly sendsSentAt: boolean;
  readonly sizes: readonly number[];
  /** The pushes whose answers are lost, so that the device sends the batch again. */
  readonly lostAnswers: readonly boolean[];
}

const occurrencesArbitrary = randomWrites<Occurrence>(
  {
    device: fc.nat({ max: 2 }),
    ago: fc.option(fc.integer({ min: -5, max: 30 }), { freq: 5 }),
  },
  18,
);
const deviceArbitrary: fc.Arbitrary<DeviceBehaviour> = fc.record({
  clockOffset: fc.constantFrom(0, minute, -minute, 365 * 1440 * minute, -365 * 1440 * minute),
  sendsSentAt: fc.boolean(),
  sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
  lostAnswers: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
});

test(
  'fault 21: devices with wrong clocks and lost answers that push at the same time result in the records of the model',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        occurrencesArbitrary,
        fc.tuple(deviceArbitrary, deviceArbitrary, deviceArbitrary),
        async (writes, devices) => {
          const tenant = await createTenant(services[0]);
          const start = Date.now();
          const outboxes = devices.map((device, index) => ({
            device,
            writes: writes.filter((write) => write.device === index),
          }));
          const clocks = new Map<
            string,
            { occurredAt: number | undefined; sentAt: number | undefined }
          >();

          const drain = async (
            { device, writes: own }: (typeof outboxes)[number],
            index: number,
          ) => {
            const occurrences = own.map(({ ago }) =>
              ago === null ? undefined : start + device.clockOffset - ago * minute,
            );
            const events = own.map((write, at) => toEvent(write, occurrences[at]));
            let sends = 0;
            const push = async (batch: readonly { identityKey: string }[]) => {
              sends += 1;
              const sentAt = device.sendsSentAt ? Date.now() + device.clockOffset : undefined;
              const envelope =
                sentAt === undefined ? {} : { sentAt: new Date(sentAt).toISOString() };
              const service = (sends + index) % 2 === 0 ? services[0] : services[1];
              const answer = await tenant.pushTo(service, batch, envelope, `d${index}`);
              for (const { identityKey, status } of answer.results ?? []) {
                const at = own.findIndex((write) => write.identityKey === identityKey);
                if (identityKey === null || status === 'failed' || status === 'duplicate') continue;
                clocks.set(identityKey, { occurredAt: occurrences[at], sentAt });
              }
              return answer;
            };
            const pushTwiceIfLost = async (batch: readonly { identityKey: string }[]) => {
              const answer = await push(batch);
              const isLost = device.lostAnswers[sends % device.lostAnswers.length];
              return isLost ? push(batch) : answer;
            };
            const order = events.map((_event, at) => at);
            await deliver(events, { order, repeats: [], sizes: device.sizes }, pushTwiceIfLost);
          };

          await Promise.all(outboxes.map(drain));
          // A device may have given up a patch before another device's put arrived, so it sends all events again.
          for (const [index, outbox] of outboxes.entries()) {
            await drain({ ...outbox, device: { ...outbox.device, sizes: [1] } }, index);
          }

          const accepted = acceptedOf(writes);
          const micros = (milliseconds: number | undefined) => milliseconds && milliseconds * 1000;
          const last = new Map<string, number>();
          const model = finalRecords(
            (await tenant.log()).flatMap(({ identityKey, receivedAt }) => {
              const write = accepted.find((one) => one.identityKey === identityKey);
              if (!write) return [];
              const { occurredAt, sentAt } = clocks.get(identityKey) ?? {};
              const clock = { occurredAt: micros(occurredAt), sentAt: micros(sentAt), receivedAt };
              const deviceAndEntity = `${write.device} ${write.entityId}`;
              const ownLast = last.get(deviceAndEntity) ?? Number.NEGATIVE_INFINITY;
              const at = Math.max(effectiveAtOf(clock), ownLast + 1);
              last.set(deviceAndEntity, at);
              return toAcceptedWrite(write, at);
            }),
          );
          expect(await finalRecordsOf(tenant)).toEqual(model);
          await expectConsistent(
            tenant,
            accepted.map(({ identityKey }) => identityKey),
          );
        },
      ),
      propertyOptions(40),
    );
  },
  timeoutMs,
);
