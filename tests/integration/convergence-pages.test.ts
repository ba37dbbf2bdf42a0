import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { propertyOptions } from '../testkit/events/random-writes.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { type TestAppPair, startAppPair } from '../testkit/app/test-app-pair.ts';

let pair: TestAppPair;
let services: TestAppPair['services'];
beforeAll(async () => {
  pair = await startAppPair({ kinds: documentKinds('doc') });
  services = pair.services;
});
afterAll(() => pair.close());

const limitsArbitrary = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });

test('at any page size no checkpoint skips what pushes at the same time commit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(limitsArbitrary, { minLength: 3, maxLength: 3 }),
      fc.array(fc.nat({ max: 19 }), { minLength: 60, maxLength: 60 }),
      async (limits, targets) => {
        const tenant = await createTenant(services[0]);
        const work = { done: false };
        const pushers = Array.from({ length: 8 }, async (_, pusher) => {
          const own = targets.filter((_target, at) => at % 8 === pusher);
          for (const [at, target] of own.entries()) {
            const verb = target % 5 === 4 ? 'remove' : 'put';
            const batch = [target, target + 20].map((id) => ({
              identityKey: `${pusher}-${at}-${id}`,
              kind: `doc.${verb}`,
              payload: { id: `e${id}`, ...(verb === 'put' && { fields: { pusher, at } }) },
            }));
            const service = (pusher + at) % 2 === 0 ? services[0] : services[1];
            await tenant.pushTo(service, batch);
          }
        });
        const pullers = limits.map(async (sizes, index) => {
          const puller = tenant.device(`puller ${index}`, services[index % 2 === 0 ? 0 : 1]);
          for (let page = 0; !work.done; page += 1)
            await puller.page(sizes[page % sizes.length] ?? 1);
          await puller.catchUp(sizes[0] ?? 1);
          return puller;
        });
        await Promise.all(pushers);
        work.done = true;
        const devices = await Promise.all(pullers);
        await expectNothingLost({ ...tenant.checkOptions, devices, model: null });
        expect(await tenant.head()).toBe(2 * targets.length);
      },
    ),
    propertyOptions(25),
  );
}, 120_000);
