import { describe, expect, test } from 'vitest';
import { catalogue } from '../../../src/systems/colony/catalogue.ts';
import { empirePut } from '../../../src/systems/colony/empire.ts';
import { locationPut } from '../../../src/systems/colony/location.ts';
import {
  researchQueue,
  structureBuild,
  unitTrain,
} from '../../../src/systems/colony/queue-item.ts';
import { retryOf } from '../../../src/domain/errors.ts';
import type { EventOutcome } from '../../../src/domain/decide/batch.ts';
import { codesOf, faultOf, MemoryTenant } from './support/memory-tenant.ts';

const home = 'A00:12:34:05';
const laserOrder = { empireId: 'e7', locationCoord: home, catalogKey: 'laser' };

const empire = (credits: number) => ({
  identityKey: `empire-${credits}`,
  kind: 'empire.put',
  payload: { empireId: 'e7', credits, name: 'Seven' },
});
const location = (empireId: string, locationCoord = home) => ({
  identityKey: `location-${locationCoord}-${empireId}`,
  kind: 'location.put',
  payload: { locationCoord, empireId },
});
const laser = (identityKey: string, payload: object = {}) => ({
  identityKey,
  kind: 'research.queue',
  payload: { ...laserOrder, ...payload },
});

function colonyWith(credits: number): MemoryTenant {
  const tenant = new MemoryTenant();
  tenant.push(empire(credits), location('e7'));
  return tenant;
}

function mustFail(outcome: EventOutcome | undefined) {
  if (outcome?.status !== 'failed') throw new Error(`was ${outcome?.status}`);
  return outcome.failure;
}

describe('the catalogue', () => {
  const entries = Object.entries(catalogue).flatMap(([category, prices]) =>
    Object.entries(prices).map(([key, price]) => [category, key, price] as const),
  );

  test.each(entries)(
    '%s %s costs a whole number of credits and takes a whole number of seconds',
    (_of, _key, price) => {
      expect(price.credits).toSatisfy(
        (credits: number) => Number.isInteger(credits) && credits > 0,
      );
      expect(price.seconds).toSatisfy(
        (seconds: number) => Number.isInteger(seconds) && seconds > 0,
      );
    },
  );

  test('can be ordered completely, each entry in its own category only', () => {
    const kinds = { structure: structureBuild, research: researchQueue, unit: unitTrain };
    for (const [category, kind] of Object.entries(kinds)) {
      for (const [of, catalogKey] of entries) {
        const read = kind.interpret(1, { ...laserOrder, catalogKey });
        expect(read.ok).toBe(of === category);
        if (!read.ok) continue;
        expect(read.interpretation.entityId).toBe(`${home}/${category}/${catalogKey}`);
      }
    }
  });
});

test('the kinds of the game server need a scope, and orders need none', () => {
  expect([empirePut, locationPut].map(({ scope }) => scope)).toEqual(
    Array.from({ length: 2 }, () => 'colony:admin'),
  );
  expect([structureBuild, researchQueue, unitTrain].map(({ scope }) => scope)).toEqual(
    Array.from({ length: 3 }, () => undefined),
  );
});

test('the game server replaces an empire and a location, and the last write wins', () => {
  const tenant = colonyWith(300);
  const nameless = { empireId: 'e7', credits: 5 };
  tenant.push({ identityKey: 'k', kind: 'empire.put', payload: nameless }, location('e8'));
  expect(tenant.find('empire', 'e7')).toEqual({ credits: 5 });
  expect(tenant.find('location', home)).toEqual({ empireId: 'e8' });
});

test.each([
  ['empire.put', { empireId: 'e7', credits: -1 }, 'credits'],
  ['empire.put', { empireId: 'e7', credits: 0.5 }, 'credits'],
  ['location.put', { locationCoord: 'A0:12:34:05', empireId: 'e7' }, 'locationCoord'],
  ['structure.build', { ...laserOrder, catalogKey: 'castle' }, 'catalogKey'],
  ['structure.build', { ...laserOrder, catalogKey: 'toString' }, 'catalogKey'],
  ['research.queue', { ...laserOrder, locationCoord: `${home}\n` }, 'locationCoord'],
  ['research.queue', { ...laserOrder, empireId: '' }, 'empireId'],
  ['unit.train', { ...laserOrder, catalogKey: 'scout', quantity: 0 }, 'quantity'],
  ['unit.train', { ...laserOrder, catalogKey: 'scout', quantity: 1_001 }, 'quantity'],
])('%s refuses %j', (kind, payload, path) => {
  expect(faultOf(kind, payload)).toBe(path);
});

test('research cannot be ordered several times at once', () => {
  expect(faultOf('research.queue', { ...laserOrder, quantity: 2 })).toBeDefined();
});

describe('an order', () => {
  test('that is accepted takes the credits and makes a queue item in one version', () => {
    const tenant = colonyWith(300);
    expect(codesOf(tenant.push(laser('k1')))).toEqual(['applied']);
    expect(tenant.find('empire', 'e7')).toEqual({ credits: 50, name: 'Seven' });
    expect(tenant.find('queue-item', `${home}/research/laser`)).toEqual({
      ...laserOrder,
      category: 'research',
      quantity: 1,
      cost: 250,
      startedAt: '2026-11-21T12:00:00.000Z',
      completesAt: '2026-11-21T12:10:00.000Z',
    });
    expect(tenant.record({ entityType: 'empire', entityId: 'e7' })?.version).toBe(3);
  });

  test('may use up every credit', () => {
    const tenant = colonyWith(250);
    expect(codesOf(tenant.push(laser('k1')))).toEqual(['applied']);
    expect(tenant.find('empire', 'e7')).toMatchObject({ credits: 0 });
  });

  test('of several units costs as much and takes as long as all of them', () => {
    const tenant = colonyWith(100);
    const payload = { ...laserOrder, catalogKey: 'fighter', quantity: 5 };
    tenant.push({ identityKey: 'k1', kind: 'unit.train', payload });
    expect(tenant.find('empire', 'e7')).toMatchObject({ credits: 0 });
    const item = { quantity: 5, cost: 100, completesAt: '2026-11-21T12:02:30.000Z' };
    expect(tenant.find('queue-item', `${home}/unit/fighter`)).toMatchObject(item);
  });

  test('starts when it arrives, not when the player clicked', () => {
    const tenant = colonyWith(300);
    tenant.push({ ...laser('k1'), occurredAt: '2026-11-20T08:00:00Z' });
    const item = tenant.find('queue-item', `${home}/research/laser`);
    expect(item).toMatchObject({ startedAt: '2026-11-21T12:00:00.000Z' });
  });

  test.each([
    ['for an empire that is not there', laser('k', { empireId: 'e8' }), 'empireId'],
    ['at a location nobody has', laser('k', { locationCoord: 'B00:00:00:00' }), 'locationCoord'],
  ])('%s is NOT_OWNER', (_what, order, field) => {
    const failure = mustFail(colonyWith(9_999).push(order)[0]);
    expect(failure).toMatchObject({ code: 'NOT_OWNER', path: `payload.${field}` });
    expect(retryOf(failure).retryable).toBe(false);
  });

  test('at a location that was lost in the meantime is NOT_OWNER and costs nothing', () => {
    const tenant = colonyWith(300);
    tenant.push(location('e8'));
    const failure = mustFail(tenant.push(laser('k1'))[0]);
    expect(failure).toMatchObject({ code: 'NOT_OWNER', path: 'payload.locationCoord' });
    expect(tenant.find('empire', 'e7')).toMatchObject({ credits: 300 });
  });

  test('that cannot be paid can be sent again, and is accepted when there are enough credits', () => {
    const tenant = colonyWith(249);
    const failure = mustFail(tenant.push(laser('k1'))[0]);
    expect(failure.code).toBe('INSUFFICIENT_RESOURCES');
    expect(retryOf(failure)).toMatchObject({ retryable: true, retryAfterMs: 30_000 });
    expect(tenant.find('queue-item', `${home}/research/laser`)).toBeUndefined();
    tenant.push(empire(250));
    expect(codesOf(tenant.push(laser('k1')))).toEqual(['applied']);
  });

  test('that cannot be paid does not block another order of the same batch', () => {
    const energy = laser('k2', { catalogKey: 'energy' });
    const outcomes = colonyWith(100).push(laser('k1'), energy);
    expect(codesOf(outcomes)).toEqual(['INSUFFICIENT_RESOURCES', 'applied']);
  });

  test('that runs already is refused and must not be sent again, even with enough credits', () => {
    const tenant = colonyWith(500);
    const failure = mustFail(tenant.push(laser('k1'), laser('k2'))[1]);
    expect(failure.code).toBe('ALREADY_IN_PROGRESS');
    expect(retryOf(failure).retryable).toBe(false);
    tenant.push(empire(0));
    expect(codesOf(tenant.push(laser('k3')))).toEqual(['ALREADY_IN_PROGRESS']);
  });

  test('that has completed is accepted again from the moment of completion', () => {
    const tenant = colonyWith(500);
    tenant.push(laser('k1'));
    tenant.now += 600_000 - 1;
    expect(codesOf(tenant.push(laser('k2')))).toEqual(['ALREADY_IN_PROGRESS']);
    tenant.now += 1;
    expect(codesOf(tenant.push(laser('k3')))).toEqual(['applied']);
    expect(tenant.find('empire', 'e7')).toMatchObject({ credits: 0 });
  });

  test('of the same entry at another location is another order', () => {
    const tenant = colonyWith(500);
    tenant.push(location('e7', 'B01:00:00:00'));
    const elsewhere = laser('k2', { locationCoord: 'B01:00:00:00' });
    expect(codesOf(tenant.push(laser('k1'), elsewhere))).toEqual(['applied', 'applied']);
  });

  test('that is sent again under its key is paid only once', () => {
    const tenant = colonyWith(500);
    const outcomes = [...tenant.push(laser('k1'), laser('k1')), ...tenant.push(laser('k1'))];
    expect(codesOf(outcomes)).toEqual(['applied', 'duplicate', 'duplicate']);
    expect(tenant.find('empire', 'e7')).toMatchObject({ credits: 250 });
  });
});
