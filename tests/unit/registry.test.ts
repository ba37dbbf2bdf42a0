import { expect, test } from 'vitest';
import { bundledKinds, createRegistry } from '../../src/kinds/registry.ts';
import { personPut, stepPut } from './support/kinds.ts';

test('a kind is found by its name', () => {
  const registry = createRegistry([personPut, stepPut]);
  expect(registry.find('person.put')).toBe(personPut);
  expect(registry.find('step.put')).toBe(stepPut);
  expect(registry.kinds).toEqual([personPut, stepPut]);
});

test.each(['', 'person', 'person.PUT', 'toString', '__proto__', 'constructor'])(
  'no kind is found by "%s"',
  (name) => {
    expect(createRegistry([personPut]).find(name)).toBeUndefined();
  },
);

test('two kinds of one name are refused at the start, by name', () => {
  const twin = { ...stepPut, name: personPut.name };
  expect(() => createRegistry([personPut, stepPut, twin])).toThrow('person.put is defined twice');
});

test('entity types are those of the kinds, each once', () => {
  const registry = createRegistry([...bundledKinds, personPut]);
  expect([...registry.entityTypes].toSorted()).toEqual(['note', 'person']);
});

test('the bundled kinds can be registered together, with a schema for every version', () => {
  for (const kind of createRegistry(bundledKinds).kinds) {
    for (let version = 1; version <= kind.newestVersion; version += 1) {
      expect(kind.schemaOf(version)).toBeDefined();
    }
  }
});

test('a note patch writes the fields it names and needs at least one', () => {
  const notePatch = createRegistry(bundledKinds).find('note.patch');
  expect(notePatch?.interpret(1, { noteId: 'n', title: '' })).toMatchObject({
    meaning: { entityId: 'n', write: { policy: 'patch', fields: { title: '' } } },
  });
  expect(notePatch?.interpret(1, { noteId: 'n' }).ok).toBe(false);
});
