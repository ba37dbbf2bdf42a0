import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { catalogue, type Category, type Price } from '../../../../src/systems/colony/catalogue.ts';
import type { LocalEdit } from '../../../outbox/outbox.ts';
import { UnavailableError } from '../../../outbox/request.ts';
import {
  attempts,
  codes,
  fakeClock,
  keysOf,
  open,
  openBehindProxy,
  serverLog,
  useOutboxes,
} from '../../outbox-harness.ts';
import type { TestDevice } from '../../test-device.ts';
import { ask, bootstrap, enqueueAll, recordRequests, entitiesShown } from '../support.ts';
import { colonyDialect, colonyKinds } from './client.ts';

// The steps are those of the document "Phase 4: Offline Sync Workflow".
useOutboxes();

const empireId = 'e7';
const desktop = { kinds: colonyKinds, dialect: colonyDialect };

test('steps 1 to 4: orders queued offline are shown at once, are sent 50 at a time, and are paid', async () => {
  await found(100_000, 11);
  const { fetch, pushes } = recordRequests();
  const [game, network] = await openBehindProxy('desktop', { ...desktop, fetch });
  network.refuseConnections();
  const keys = enqueueAll(game, everyOrder(11));
  expect(keys).toHaveLength(121);
  await expect(game.sync()).rejects.toThrow(UnavailableError);
  expect(Object.keys(entitiesShown(game, 'queue-item'))).toHaveLength(121);
  expect(game.pending()).toHaveLength(121);

  network.acceptConnections();
  await game.drain();
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

test('step 2: an order that cannot be paid fails after three attempts', async () => {
  await found(100);
  const later = fakeClock();
  const { fetch, pushes } = recordRequests();
  const game = open('desktop', { ...desktop, ...later, fetch });
  const [dear] = enqueueAll(game, [order('research', 'laser'), order('structure', 'solar-plant')]);
  await game.push();
  expect(pushes[0]?.answer.failed).toMatchObject([
    { identityKey: dear, code: 'INSUFFICIENT_RESOURCES', retryable: true, retryAfterMs: 30_000 },
  ]);
  expect(pushes[0]?.answer.processed).toHaveLength(1);
  expect(attempts(game.pending())).toEqual([1]);
  later.pass(29_000);
  await game.push();
  expect(attempts(game.pending())).toEqual([1]);
  later.pass(1_000);
  await game.push();
  expect(attempts(game.pending())).toEqual([2]);
  await game.drain();
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
  await game.push();
  later.pass(60_000);
  await game.push();
  await asGameServer(putEmpire(300));
  await game.drain();
  expect([...game.pending(), ...game.failed()]).toEqual([]);
  expect(await creditsAfter(game)).toBe(50);
});

test('step 3: an order that can never succeed fails at once, and the rest of its batch is processed', async () => {
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
  expect(Object.keys(entitiesShown(game, 'queue-item'))).toEqual([`${coord(0)}/unit/scout`]);
  expect(await creditsAfter(game)).toBe(965);
});

test('step 3: no device can give itself credits or a location', async () => {
  await found(10);
  const batch = { events: [putEmpire(1_000_000), putLocation(5)] };
  const { failed } = await ask('/api/sync/events', batch);
  expect(failed).toMatchObject([{ code: 'NOT_ALLOWED' }, { code: 'NOT_ALLOWED' }]);
  expect(await bootstrap('empire')).toEqual({ [empireId]: { credits: 10 } });
});

test('step 3: an order that is already in progress is refused, and not paid twice', async () => {
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
  expect(entitiesShown(laptop, 'queue-item')).toEqual(entitiesShown(desk, 'queue-item'));
  expect(await creditsAfter(laptop)).toBe(650);
});

test('edge: a batch whose answer was lost is sent again, and nothing is paid twice', async () => {
  await found(1_000);
  const { fetch, pushes } = recordRequests();
  const [game, network] = await openBehindProxy('desktop', { ...desktop, fetch });
  const keys = enqueueAll(game, [order('research', 'laser'), order('unit', 'fighter')]);
  const lost = network.loseAnswerTo('POST ');
  await expect(game.push()).rejects.toThrow(UnavailableError);
  await lost;
  expect(await bootstrap('empire')).toEqual({ [empireId]: { credits: 730 } });
  await game.drain();
  expect(pushes[0]?.answer).toMatchObject({ processed: keys, failed: [] });
  expect(keysOf(await serverLog()).slice(-2)).toEqual(keys);
  expect(await creditsAfter(game)).toBe(730);
});

test('edge: 50 devices of one empire at once do not spend more credits than it has', async () => {
  await found(1_000, 50);
  const later = fakeClock();
  const devices = Array.from({ length: 50 }, (_, i) => open(`d${i}`, { ...desktop, ...later }));
  for (const [i, device] of devices.entries()) {
    device.enqueue(order('structure', 'solar-plant', i));
    device.enqueue(order('unit', 'fighter', i));
  }
  await Promise.all(devices.map((device) => device.drain()));
  for (const device of devices) await device.pull();
  const items = Object.values(await bootstrap('queue-item'));
  const left = 1_000 - sum(items.map(({ cost }) => Number(cost)));
  const refused = devices.flatMap((device) => device.failed());
  expect(new Set(codes(refused))).toEqual(new Set(['INSUFFICIENT_RESOURCES']));
  expect(items.length + refused.length).toBe(100);
  expect(left).toBeGreaterThanOrEqual(0);
  // Each refused order costs more than what is left.
  for (const { event } of refused) expect(priceOf(event)).toBeGreaterThan(left);
  expect(await creditsAfter(...devices)).toBe(left);
});

/** Creates an empire with some locations, as the game server does. */
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

/** Orders the whole catalogue at each of the locations. */
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

function priceOf({ kind, payload }: LocalEdit): number {
  const prices: { readonly [key: string]: Price } = catalogue[kind as Category];
  return prices[String(payload.catalogKey)]?.credits ?? Number.NaN;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** The empire's credits. First checks that a new device shows the same as these devices. */
async function creditsAfter(...devices: readonly TestDevice[]): Promise<unknown> {
  for (const type of ['empire', 'location', 'queue-item']) {
    const stored = await bootstrap(type, colonyKinds);
    for (const device of devices) expect(entitiesShown(device, type)).toEqual(stored);
  }
  const { [empireId]: empire } = await bootstrap('empire');
  return empire?.credits;
}
