import fc from 'fast-check';
import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import type { PushAnswer } from '../../src/protocol/push.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { answersOf } from '../testkit/checker/history.ts';
import { nextKey } from '../testkit/events/sent-events.ts';
import { propertyOptions } from '../testkit/events/random-writes.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';

const patience = 120_000;

const pinsSchema = z.record(z.string(), z.string());
const boardSchema = z.strictObject({ id: z.string(), pins: pinsSchema });

/** Whoever came first keeps what he pinned; what came later is pinned beside it. */
const boardPut = defineKind({
  name: 'board.put',
  entityType: 'board',
  payload: payload(boardSchema),
  entityId: ({ id }) => id,
  policy: put(({ pins }) => pins),
  resolve: ({ data }, incoming) => ({ ...incoming, ...data }),
});

let pair: TestAppPair;
beforeAll(async () => {
  pair = await startAppPair({ kinds: [boardPut] });
});
afterAll(() => pair.close());

/** Each edit adds a pin of its own to the board as the device sees it. */
interface Edit {
  /** Whether it pulls before: else it goes on from what it saw last, with its own edits since. */
  readonly looks: boolean;
  /** The answer is lost, so that the edit is sent again. */
  readonly isLost: boolean;
  /** By its clock, days ago. */
  readonly ago: number;
}

const editArbitrary: fc.Arbitrary<Edit> = fc.record({
  looks: fc.boolean(),
  isLost: fc.boolean(),
  ago: fc.integer({ min: 0, max: 3 }),
});
const devicesArbitrary = fc.array(fc.array(editArbitrary, { minLength: 1, maxLength: 5 }), {
  minLength: 2,
  maxLength: 4,
});

type Push = (event: unknown) => Promise<PushAnswer>;

/** @returns the pins that it made */
async function edit(tenant: Tenant, edits: readonly Edit[], push: Push): Promise<string[]> {
  const own: string[] = [];
  let pins = {};
  let base: object = { baseVersion: 0 };
  for (const { looks, isLost, ago } of edits) {
    const identityKey = nextKey();
    if (looks) {
      const seen = (await tenant.pull()).changes[0];
      pins = pinsSchema.parse(seen?.data ?? {});
      base = { baseVersion: seen?.version ?? 0 };
    }
    pins = { ...pins, [identityKey]: `${ago}` };
    const occurredAt = new Date(Date.now() - ago * 86_400_000).toISOString();
    const written = { kind: 'board.put', payload: { id: 'b1', pins } };
    const event = { identityKey, ...written, occurredAt, ...base };
    base = { baseKey: identityKey };
    await push(event);
    if (isLost) await push(event);
    own.push(identityKey);
  }
  return own;
}

test(
  'a hook that merges loses nothing that anybody wrote, in whatever order edits meet',
  async () => {
    await fc.assert(
      fc.asyncProperty(devicesArbitrary, async (devices) => {
        const tenant = await createTenant(pair.services[0]);
        let turn = 0;
        const push: Push = (event) => {
          turn += 1;
          return tenant.pushTo(pair.services[turn % 2 === 0 ? 0 : 1], [event]);
        };
        const pinned = await Promise.all(devices.map((edits) => edit(tenant, edits, push)));
        expect(answersOf(tenant.checkOptions.history).flatMap(({ failed }) => failed)).toEqual([]);
        const data = (await tenant.record('b1'))?.data ?? {};
        expect(Object.keys(data).toSorted()).toEqual(pinned.flat().toSorted());
        await expectNothingLost({ ...tenant.checkOptions, model: null });
      }),
      propertyOptions(30),
    );
  },
  patience,
);
