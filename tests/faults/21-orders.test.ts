import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectNothingLost } from '../checker/check.ts';
import { answersOf } from '../checker/history.ts';
import { deliver, type Plan, planArbitrary } from '../model/delivery.ts';
import { documentKinds } from '../model/documents.ts';
import {
  acceptable,
  type Deed,
  deedsArbitrary,
  runs,
  toAccepted,
  toEvent,
} from '../model/histories.ts';
import {
  effectiveAtOf,
  type FinalRecord,
  finalRecords,
  type Value,
} from '../model/last-write-wins.ts';
import { createTenant, type Tenant } from '../model/tenant.ts';
import { type AppPair, startAppPair } from '../setup/app-pair.ts';

const patience = 120_000;

let pair: AppPair;
let services: AppPair['services'];
beforeAll(async () => {
  pair = await startAppPair({ kinds: documentKinds('doc') });
  services = pair.services;
});
afterAll(() => pair.close());

/** Each push and pull goes to the other process than the one before. */
function alternately(tenant: Tenant): (batch: readonly unknown[]) => Promise<PushAnswer> {
  let turn = 0;
  return (batch) => {
    turn += 1;
    const service = turn % 2 === 0 ? services[0] : services[1];
    return tenant.pushTo(service, batch);
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

async function replay(deeds: readonly (Deed & Timed)[], plan: Plan) {
  const tenant = await createTenant(services[0]);
  const events = deeds.map((deed) => toEvent(deed, timeOf(deed)));
  await deliver(events, plan, alternately(tenant));
  return tenant;
}

test(
  'fault 21: in whatever order, batches and repetitions the same events arrive, they leave the same records',
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
          const log = new Map((await tenant.log()).map((entry) => [entry.identityKey, entry]));
          const micros = (milliseconds: number | undefined) => milliseconds && milliseconds * 1000;
          const model = finalRecords(
            accepted.map((deed) => {
              const { occurredAt, sentAt } = clocks.get(deed.identityKey) ?? {};
              const receivedAt = log.get(deed.identityKey)?.receivedAt ?? Number.NaN;
              const clock = { occurredAt: micros(occurredAt), sentAt: micros(sentAt), receivedAt };
              return toAccepted(deed, effectiveAtOf(clock));
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
