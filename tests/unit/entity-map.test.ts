import { expect, test } from 'vitest';
import { EntityMap } from '../../src/domain/entity-map.ts';

test('a value is found by its type and id, and by nothing else', () => {
  const map = new EntityMap<number>();
  map.set({ entityType: 'note', entityId: 'a' }, 1);
  map.set({ entityType: 'note', entityId: 'b' }, 2);
  map.set({ entityType: 'task', entityId: 'a' }, 3);
  map.set({ entityType: 'note', entityId: 'b' }, 4);
  expect(map.get({ entityType: 'note', entityId: 'b' })).toBe(4);
  expect(map.has({ entityType: 'task', entityId: 'b' })).toBe(false);
  // Names of members that every object has are ids like any other.
  expect(map.get({ entityType: 'note', entityId: 'constructor' })).toBeUndefined();
  expect(map.get({ entityType: 'toString', entityId: 'a' })).toBeUndefined();
  expect([...map.values()]).toEqual([1, 4, 3]);
});

test('it is empty at first, and after it was cleared', () => {
  const map = new EntityMap<number>();
  expect(map.isEmpty).toBe(true);
  map.set({ entityType: 'note', entityId: 'a' }, 1);
  expect(map.isEmpty).toBe(false);
  map.clear();
  expect(map.isEmpty).toBe(true);
  expect([...map.values()]).toEqual([]);
});
