import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { answersOf } from '../testkit/checker/history.ts';
import { deliver, type Plan, planArbitrary } from '../testkit/oracle/delivery.ts';
import { documentKinds } from '../testkit/oracle/documents.ts';
import {
  acceptable,
  type Deed,
  deedsArbitrary,
  runs,
  toAccepted,
  toEvent,
} from '../testkit/oracle/histories.ts';
import {
  effectiveAtOf,
  type FinalRecord,
  finalRecords,
  type Value,
} from '../testkit/oracle/last-write-wins.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { type AppPair, startAppPair } from '../testkit/app-pair.ts';

const patience = 120_000;

let pair: AppPair;
let services: AppPair['services'];
beforeAll(async () => {
  pair = await startAppPair({ kinds: documentKinds('doc') });
  services = pair.services;
});
afterAll(() => pair.close());

/** Each push goes to the other process than the one before; without a device it is another one each time. */
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

async function expectSound(tenant: Tenant, keys: readonly string[]) {
  await expectNothingLost({ ...tenant.books, model: null });
  const log = await tenant.log();
  expect(log.map(({ identityKey }) => identityKey).toSorted()).toEqual(keys.toSorted());
  const firsts = answersOf(tenant.books.history).flatMap(({ results }) =>
    (results ?? []).filter(({ status }) => status !== 'failed' && status !== 'duplicate'),
  );
  expect(firsts).toHaveLength(log.length);
}

/** A tenant's records as the model describes them. */
async function finalRecordsOf(tenant: Tenant): Promise<FinalRecord[]> {
  return [...(await tenant.records()).values()]
    .map(({ entityId, deleted, data }) => ({
      entityId,
      deleted,
      data: data && (Object.entries(data).sort(byName) as [string, Value][]),
    }))
    .sort((left, right) => (left.entityId < right.entityId ? -1 : 1));
}

const byName = ([left]: [string, unknown], [right]: [string, unknown]) => (left < right ? -1 : 1);

interface Timed {
  /** A day of January 2026: few, so that they tie. */
  readonly day: number;
}
const timeOf = ({ day }: Timed) => Date.UTC(2026, 0, day);

const historyArbitrary = deedsArbitrary<Timed>({ day: fc.integer({ min: 1, max: 3 }) }, 14).chain(
  (deeds) =>
    fc.tuple(
      fc.constant(deeds),
      fc.array(planArbitrary(deeds.length), { minLength: 2, maxLength: 3 }),
    ),
);

/** Each event from a device of its own, as the edits of one device keep their order. */
async function replay(deeds: readonly (Deed & Timed)[], plan: Plan) {
  const tenant = await createTenant(services[0]);
  const events = deeds.map((deed) => toEvent(deed, timeOf(deed)));
  const push = alternately(tenant);
  await deliver(events, { ...plan, sizes: [1] }, (batch) => push(batch));
  return tenant;
}

test(
  'fault 21: in whatever order and repetitions the same events arrive, each from a device of its own, they leave the same records',
  async () => {
    await fc.assert(
      fc.asyncProperty(historyArbitrary, async ([deeds, plans]) => {
        const accepted = acceptable(deeds);
        const model = finalRecords(accepted.map((deed) => toAccepted(deed, timeOf(deed) * 1000)));
        for (const plan of plans) {
          const tenant = await replay(deeds, plan);
          expect(await finalRecordsOf(tenant)).toEqual(model);
          await expectSound(
            tenant,
            accepted.map(({ identityKey }) => identityKey),
          );
        }
      }),
      runs(60),
    );
  },
  patience,
);

/** In which order devices send, and how many events each time. */
type Interleaving = readonly { readonly device: number; readonly size: number }[];

interface Queued extends Timed {
  readonly device: number;
}

const queuesArbitrary = deedsArbitrary<Queued>(
  { day: fc.integer({ min: 1, max: 3 }), device: fc.nat({ max: 2 }) },
  14,
);
const interleavingArbitrary: fc.Arbitrary<Interleaving> = fc.array(
  fc.record({ device: fc.nat({ max: 2 }), size: fc.integer({ min: 1, max: 4 }) }),
  { minLength: 4, maxLength: 12 },
);

/** So that no patch waits for a put: what a device gives up and sends later comes later in its order. */
const founded = (deeds: readonly (Deed & Queued)[]): (Deed & Queued)[] => [
  ...[...new Set(deeds.map(({ entityId }) => entityId))].map((entityId, at) => ({
    identityKey: `found-${at}`,
    entityId,
    action: { policy: 'put', fields: {} } as const,
    day: 1,
    device: 3,
  })),
  ...deeds,
];

/** Each device sends its queue in its own order. */
async function interleave(
  tenant: Tenant,
  deeds: readonly (Deed & Queued)[],
  interleaving: Interleaving,
): Promise<void> {
  const queues = Map.groupBy(deeds, ({ device }) => device);
  const push = alternately(tenant);
  const send = async (device: number, size: number) => {
    const batch = queues.get(device)?.splice(0, size) ?? [];
    if (batch.length === 0) return;
    const events = batch.map((deed) => toEvent(deed, timeOf(deed)));
    expect((await push(events, `device ${device}`)).failed).toEqual([]);
    // As where the answer was lost.
    if (size % 2 === 0) await push(events, `device ${device}`);
  };
  await send(3, Number.POSITIVE_INFINITY);
  for (const { device, size } of interleaving) await send(device, size);
  for (const device of queues.keys()) await send(device, Number.POSITIVE_INFINITY);
}

/** When each event counts: at its time, or just after the one before it of its device about its entity. */
function timesOf(deeds: readonly (Deed & Queued)[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  return new Map(
    deeds.map((deed) => {
      const of = `${deed.device} ${deed.entityId}`;
      const at = Math.max(timeOf(deed) * 1000, (last.get(of) ?? Number.NEGATIVE_INFINITY) + 1);
      last.set(of, at);
      return [deed.identityKey, at];
    }),
  );
}

test(
  'fault 21: however the queues of devices interleave, their clocks and batches, each keeps its own order and all leave the same records',
  async () => {
    const interleavings = fc.array(interleavingArbitrary, { minLength: 2, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(queuesArbitrary, interleavings, async (queued, plans) => {
        const deeds = founded(queued);
        const times = timesOf(deeds);
        const model = finalRecords(
          deeds.map((deed) => toAccepted(deed, times.get(deed.identityKey) ?? Number.NaN)),
        );
        for (const plan of plans) {
          const tenant = await createTenant(services[0]);
          await interleave(tenant, deeds, plan);
          expect(await finalRecordsOf(tenant)).toEqual(model);
          await expectSound(
            tenant,
            deeds.map(({ identityKey }) => identityKey),
          );
        }
      }),
      runs(40),
    );
  },
  patience,
);

const minute = 60_000;

interface Happening {
  /** Whose outbox it is in. */
  readonly device: number;
  /** Minutes ago; negative: not yet, by a clock that went backwards; null: the device does not say. */
  readonly ago: number | null;
}
interface Device {
  /** Milliseconds by which its clock is off. */
  readonly offset: number;
  readonly tellsWhenItSends: boolean;
  readonly sizes: readonly number[];
  /** Of which sends the answer is lost, so that the same batch is sent again. */
  readonly losses: readonly boolean[];
}

const happeningsArbitrary = deedsArbitrary<Happening>(
  {
    device: fc.nat({ max: 2 }),
    ago: fc.option(fc.integer({ min: -5, max: 30 }), { freq: 5 }),
  },
  18,
);
const deviceArbitrary: fc.Arbitrary<Device> = fc.record({
  offset: fc.constantFrom(0, minute, -minute, 365 * 1440 * minute, -365 * 1440 * minute),
  tellsWhenItSends: fc.boolean(),
  sizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
  losses: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
});

test(
  'fault 21: devices with clocks of their own, all at once and with lost answers, leave what the model says',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        happeningsArbitrary,
        fc.tuple(deviceArbitrary, deviceArbitrary, deviceArbitrary),
        async (deeds, devices) => {
          const tenant = await createTenant(services[0]);
          const start = Date.now();
          const outboxes = devices.map((device, index) => ({
            device,
            deeds: deeds.filter((deed) => deed.device === index),
          }));
          const clocks = new Map<
            string,
            { occurredAt: number | undefined; sentAt: number | undefined }
          >();

          const drain = async (
            { device, deeds: own }: (typeof outboxes)[number],
            index: number,
          ) => {
            const occurrences = own.map(({ ago }) =>
              ago === null ? undefined : start + device.offset - ago * minute,
            );
            const events = own.map((deed, at) => toEvent(deed, occurrences[at]));
            let sends = 0;
            const push = async (batch: readonly { identityKey: string }[]) => {
              sends += 1;
              const sentAt = device.tellsWhenItSends ? Date.now() + device.offset : undefined;
              const envelope =
                sentAt === undefined ? {} : { sentAt: new Date(sentAt).toISOString() };
              const service = (sends + index) % 2 === 0 ? services[0] : services[1];
              const answer = await tenant.pushTo(service, batch, envelope, `d${index}`);
              for (const { identityKey, status } of answer.results ?? []) {
                const at = own.findIndex((deed) => deed.identityKey === identityKey);
                if (identityKey === null || status === 'failed' || status === 'duplicate') continue;
                clocks.set(identityKey, { occurredAt: occurrences[at], sentAt });
              }
              return answer;
            };
            const pushTwiceIfLost = async (batch: readonly { identityKey: string }[]) => {
              const answer = await push(batch);
              return device.losses[sends % device.losses.length] ? push(batch) : answer;
            };
            const order = events.map((_event, at) => at);
            await deliver(events, { order, repeats: [], sizes: device.sizes }, pushTwiceIfLost);
          };

          await Promise.all(outboxes.map(drain));
          // A patch may have given up before another device's put came: once more, one by one.
          for (const [index, outbox] of outboxes.entries()) {
            await drain({ ...outbox, device: { ...outbox.device, sizes: [1] } }, index);
          }

          const accepted = acceptable(deeds);
          const micros = (milliseconds: number | undefined) => milliseconds && milliseconds * 1000;
          const last = new Map<string, number>();
          const model = finalRecords(
            (await tenant.log()).flatMap(({ identityKey, receivedAt }) => {
              const deed = accepted.find((one) => one.identityKey === identityKey);
              if (!deed) return [];
              const { occurredAt, sentAt } = clocks.get(identityKey) ?? {};
              const clock = { occurredAt: micros(occurredAt), sentAt: micros(sentAt), receivedAt };
              const of = `${deed.device} ${deed.entityId}`;
              const ownLast = last.get(of) ?? Number.NEGATIVE_INFINITY;
              const at = Math.max(effectiveAtOf(clock), ownLast + 1);
              last.set(of, at);
              return toAccepted(deed, at);
            }),
          );
          expect(await finalRecordsOf(tenant)).toEqual(model);
          await expectSound(
            tenant,
            accepted.map(({ identityKey }) => identityKey),
          );
        },
      ),
      runs(40),
    );
  },
  patience,
);
