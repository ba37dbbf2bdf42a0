import { bundledKinds } from '../../src/systems/bundled.ts';
import { expect, test } from 'vitest';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
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

test('two kinds with one name are refused, and the error names them', () => {
  const twin = { ...stepPut, name: personPut.name };
  expect(() => createRegistry([personPut, stepPut, twin])).toThrow('person.put is defined twice');
});

test('kinds of different families for one entity type are refused, and the error names them', () => {
  const folded = { ...personPut, name: 'person.append', family: 'append' as const };
  expect(() => createRegistry([personPut, folded])).toThrow('person.append is append');
  const decided = { ...folded, family: 'decide' as const };
  expect(createRegistry([personPut, decided]).kinds).toHaveLength(2);
});

test('a failure code has the same meaning in all kinds', () => {
  const failures = { SOLD_OUT: { retryable: false, cause: 'none left', remedy: 'wait' } };
  const same = { ...stepPut, failures };
  expect(createRegistry([{ ...personPut, failures }, same]).failures).toEqual(failures);
  const other = { ...stepPut, failures: { SOLD_OUT: { ...failures.SOLD_OUT, retryable: true } } };
  expect(() => createRegistry([{ ...personPut, failures }, other])).toThrow(
    'step.put gives SOLD_OUT',
  );
});

test('the bundled kinds can be registered together, with a schema for every version', () => {
  for (const kind of createRegistry(bundledKinds).kinds) {
    for (let version = 1; version <= kind.newestVersion; version += 1) {
      expect(kind.schemaOf(version)).toBeDefined();
    }
  }
});

test('a note patch writes the fields that it names, and needs at least one field', () => {
  const notePatch = createRegistry(bundledKinds).find('note.patch');
  expect(notePatch?.interpret(1, { noteId: 'n', title: '' })).toMatchObject({
    interpretation: { entityId: 'n', intent: { policy: 'patch', fields: { title: '' } } },
  });
  expect(notePatch?.interpret(1, { noteId: 'n' }).ok).toBe(false);
});
