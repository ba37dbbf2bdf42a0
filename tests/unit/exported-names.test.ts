import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { exportedNamesOf } from '../testkit/repository/exported-names.ts';

const root = new URL('../../', import.meta.url);
const folders = ['src', 'dev', 'tests/testkit', 'tests/outbox', 'soak', 'demo', 'bench'];
/** Prisma generates this folder. */
const generated = /^src\/generated\//;

function modules(): readonly string[] {
  return globSync(
    folders.map((folder) => `${folder}/**/*.ts`),
    { cwd: root, exclude: ['**/node_modules/**'] },
  )
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !generated.test(path))
    .toSorted();
}

test('no exported name is declared in two modules', () => {
  const declarations = modules().flatMap((path) =>
    exportedNamesOf(path, readFileSync(new URL(path, root), 'utf8')).map((name) => ({
      name,
      path,
    })),
  );
  expect(declarations.length).toBeGreaterThan(500);
  const repeated = [...Map.groupBy(declarations, ({ name }) => name)]
    .filter(([, found]) => found.length > 1)
    .map(([name, found]) => `${name}: ${found.map(({ path }) => path).join(', ')}`);
  expect(repeated).toEqual([]);
});

describe('exportedNamesOf', () => {
  test.each([
    [
      'functions, also asynchronous ones',
      'export function a() {} export async function b() {}',
      ['a', 'b'],
    ],
    ['overloads once', 'export function a(): void; export function a(one?: 1) {}', ['a']],
    ['classes', 'export class A {}', ['A']],
    ['types and interfaces', 'export type A = 1; export interface B {}', ['A', 'B']],
    ['constants', 'export const a = 1, b = 2;', ['a', 'b']],
    [
      'destructured constants',
      'export const { a, b: { c = 1 }, ...d } = x, [e, , ...f] = y;',
      ['a', 'c', 'd', 'e', 'f'],
    ],
    ['declarations that are exported later', 'const a = 1; export { a, a as b };', ['a', 'b']],
  ])('returns %s', (_what, source, names) => {
    expect(exportedNamesOf('module.ts', source)).toEqual(names);
  });

  test.each([
    ['names of other modules', "export { a } from './a.ts'; export * from './b.ts';"],
    ['imported names', "import { a } from './a.ts'; export { a };"],
    ['names that are not exported', 'const a = 1; function b() {} type C = 1;'],
    ['a default export', 'export default function a() {}'],
  ])('does not return %s', (_what, source) => {
    expect(exportedNamesOf('module.ts', source)).toEqual([]);
  });
});
