import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { catalogue, type Category, type Price } from '../../../src/systems/colony/catalogue.ts';
import { colonyDialect, colonyKinds } from '../../outbox/colony.ts';
import { drain } from '../../outbox/drain.ts';
import type { Outbox } from '../../outbox/outbox.ts';
import type { Edit } from '../../outbox/queue.ts';
import { UnavailableError } from '../../outbox/request.ts';
import {
  attempts,
  codes,
  fakeClock,
  keysOf,
  open,
  openBehindProxy,
  serverLog,
  useOutboxes,
} from '../outbox-harness.ts';
import { ask, bootstrap, enqueueAll, seen, wireTap } from './support.ts';

// The steps are those of the document "Phase 4: Offline Sync Workflow".
useOutboxes();

const empireId = 'e7';
const desktop = { kinds: colonyKinds, dialect: colonyDialect };

test('steps 1 to 4: orders queued offline show at once, leave 50 at a time, and are paid', async () => {
  await found(100_000, 11);
  const { fetch, pushes } = wireTap();
  const [game, network] = await openBehindProxy('desktop', { ...desktop, fetch });
  network.refuse();
  const keys = enqueueAll(game, everyOrder(11));
  expect(keys).toHaveLength(121);
  await expect(game.sync()).rejects.toThrow(UnavailableError);
  expect(Object.keys(seen(game, 'queue-item'))).toHaveLength(121);
  expect(game.pending()).toHaveLength(121);

  network.accept();
  await drain(game);
  const [first] = pushes;
  expect(pushes.map(({ body }) => body.length)).toEqual([50, 50, 21]);
  expect(first?.body[0]).toEqual({
    kind: 'structure',
    payload: {
      identityKey: keys[0],
      kind: 'structure',
      empireId,
      locationCoord: coord(0),
      catalogKey: 'metal-refinery',
    },
  });
  expect(first?.answer).toMatchObject({ success: true, processed: keys.slice(0, 50), failed: [] });
  expect(await creditsAfter(game)).toBe(100_000 - 11 * sum(everyPrice()));
  expect(await ask('/api/sync/changes')).toHaveProperty('serverTime');
});

test('step 2: an order that cannot be paid stays pending for three attempts, then has failed', async () => {
  await found(100);
  const later = fakeClock();
  const { fetch, pushes } = wireTap();
  const game = open('desktop', { ...desktop, ...later, fetch });
  const [dear] = enqueueAll(game, [order('research', 'laser'), order('structure', 'solar-plant')]);
  await game.flush();
  expect(pushes[0]?.answer.failed).toMatchObject([
    { identityKey: dear, code: 'INSUFFICIENT_RESOURCES', retryable: true, retryAfterMs: 30_000 },
  ]);
  expect(pushes[0]?.answer.processed).toHaveLength(1);
  expect(attempts(game.pending())).toEqual([1]);
  later.pass(29_000);
  await game.flush();
  expect(attempts(game.pending())).toEqual([1]);
  later.pass(1_000);
  await game.flush();
  expect(attempts(game.pending())).toEqual([2]);
  await drain(game, later);
  expect(codes(game.failed())).toEqual(['INSUFFICIENT_RESOURCES']);
  expect(attempts(game.failed())).toEqual([3]);
  expect(pushes).toHaveLength(3);
  expect(await creditsAfter(game)).toBe(20);
});

test('step 2: an order that can be paid by its third attempt is processed', async () => {
  await found(0);
  const later = fakeClock();
  const game = open('desktop', { ...desktop, ...later });
  game.enqueue(order('research', 'laser'));
  await game.flush();
  later.pass(60_000);
  await game.flush();
  await asGameServer(putEmpire(300));
  await drain(game, later);
  expect([...game.pending(), ...game.failed()]).toEqual([]);
  expect(await creditsAfter(game)).toBe(50);
});

test('step 3: what can never succeed fails at once, and the rest of its batch is processed', async () => {
  await found(1_000);
  await asGameServer(putLocation(1, 'e8'));
  const game = open('desktop', desktop);
  enqueueAll(game, [
    order('unit', 'fighter', 1),
    order('unit', 'fighter', 2),
    order('research', 'levitation'),
    { kind: 'unit', payload: { ...order('unit', 'scout').payload, quantity: 0 } },
    order('unit', 'scout'),
  ]);
  await game.sync();
  expect(codes(game.failed())).toEqual([
    'NOT_OWNER',
    'NOT_OWNER',
    'INVALID_PAYLOAD',
    'INVALID_PAYLOAD',
  ]);
  expect(attempts(game.failed())).toEqual([1, 1, 1, 1]);
  expect(game.pending()).toEqual([]);
  expect(Object.keys(seen(game, 'queue-item'))).toEqual([`${coord(0)}/unit/scout`]);
  expect(await creditsAfter(game)).toBe(965);
});

test('step 3: no device can give itself credits or a location', async () => {
  await found(10);
  const batch = { events: [putEmpire(1_000_000), putLocation(5)] };
  const { failed } = await ask('/api/sync/events', batch);
  expect(failed).toMatchObject([{ code: 'NOT_ALLOWED' }, { code: 'NOT_ALLOWED' }]);
  expect(await bootstrap('empire')).toEqual({ [empireId]: { credits: 10 } });
});

test('step 3: what runs already is not ordered again, and not paid again', async () => {
  await found(1_000);
  const [desk, laptop] = [open('desktop', desktop), open('laptop', desktop)];
  desk.enqueue(order('research', 'laser'));
  laptop.enqueue(order('research', 'laser'));
  laptop.enqueue(order('research', 'energy'));
  await desk.sync();
  await laptop.sync();
  expect(codes(laptop.failed())).toEqual(['ALREADY_IN_PROGRESS']);
  expect(attempts(laptop.failed())).toEqual([1]);
  await desk.sync();
  expect(seen(laptop, 'queue-item')).toEqual(seen(desk, 'queue-item'));
  expect(await creditsAfter(laptop)).toBe(650);
});

test('edge: a batch whose answer was lost is sent again, and nothing is paid twice', async () => {
  await found(1_000);
  const { fetch, pushes } = wireTap();
  const [game, network] = await openBehindProxy('desktop', { ...desktop, fetch });
  const keys = enqueueAll(game, [order('research', 'laser'), order('unit', 'fighter')]);
  const lost = network.loseAnswerTo('POST ');
  await expect(game.flush()).rejects.toThrow(UnavailableError);
  await lost;
  expect(await bootstrap('empire')).toEqual({ [empireId]: { credits: 730 } });
  await drain(game);
  expect(pushes[0]?.answer).toMatchObject({ processed: keys, failed: [] });
  expect(keysOf(await serverLog()).slice(-2)).toEqual(keys);
  expect(await creditsAfter(game)).toBe(730);
});

test('edge: 50 devices of one empire at once never overdraw it', async () => {
  await found(1_000, 50);
  const later = fakeClock();
  const devices = Array.from({ length: 50 }, (_, i) => open(`d${i}`, { ...desktop, ...later }));
  for (const [i, device] of devices.entries()) {
    device.enqueue(order('structure', 'solar-plant', i));
    device.enqueue(order('unit', 'fighter', i));
  }
  await Promise.all(devices.map((device) => drain(device, later)));
  for (const device of devices) await device.pull();
  const items = Object.values(await bootstrap('queue-item'));
  const left = 1_000 - sum(items.map(({ cost }) => Number(cost)));
  const refused = devices.flatMap((device) => device.failed());
  expect(new Set(codes(refused))).toEqual(new Set(['INSUFFICIENT_RESOURCES']));
  expect(items.length + refused.length).toBe(100);
  expect(left).toBeGreaterThanOrEqual(0);
  // Nothing was refused that what is left could pay for.
  for (const { event } of refused) expect(priceOf(event)).toBeGreaterThan(left);
  expect(await creditsAfter(...devices)).toBe(left);
});

/** The game server's part: an empire, and that many locations of it. */
async function found(credits: number, locations = 1): Promise<void> {
  const owned = Array.from({ length: locations }, (_, i) => putLocation(i));
  await asGameServer(putEmpire(credits), ...owned);
}

async function asGameServer(...events: readonly object[]): Promise<void> {
  const claims = { scope: 'sync:push colony:admin' };
  const { failed } = await ask('/api/sync/events', { events }, claims);
  expect(failed).toEqual([]);
}

function putEmpire(credits: number) {
  return { identityKey: randomUUID(), kind: 'empire.put', payload: { empireId, credits } };
}

function putLocation(place: number, owner = empireId) {
  const payload = { locationCoord: coord(place), empireId: owner };
  return { identityKey: randomUUID(), kind: 'location.put', payload };
}

const coord = (place: number) => `A00:12:34:${String(place).padStart(2, '0')}`;

function order(category: Category, catalogKey: string, place = 0) {
  return { kind: category, payload: { empireId, locationCoord: coord(place), catalogKey } };
}

/** The whole catalogue at each of so many locations. */
function everyOrder(locations: number) {
  const places = Array.from({ length: locations }, (_, i) => i);
  const categories = Object.keys(catalogue) as Category[];
  return places.flatMap((place) =>
    categories.flatMap((category) =>
      Object.keys(catalogue[category]).map((key) => order(category, key, place)),
    ),
  );
}

function everyPrice(): number[] {
  return Object.values(catalogue).flatMap((prices) =>
    Object.values(prices).map(({ credits }) => credits),
  );
}

function priceOf({ kind, payload }: Edit): number {
  const prices: { readonly [key: string]: Price } = catalogue[kind as Category];
  return prices[String(payload.catalogKey)]?.credits ?? Number.NaN;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** The empire's credits, after a look that a bootstrap shows all that the devices show. */
async function creditsAfter(...devices: readonly Outbox[]): Promise<unknown> {
  for (const type of ['empire', 'location', 'queue-item']) {
    const stored = await bootstrap(type, colonyKinds);
    for (const device of devices) expect(seen(device, type)).toEqual(stored);
  }
  const { [empireId]: empire } = await bootstrap('empire');
  return empire?.credits;
}
