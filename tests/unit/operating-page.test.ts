import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const projectFile = (path: string) => readFileSync(new URL(path, root), 'utf8');
const page = projectFile('docs/operating.md');

test('every event that the service logs has its heading in docs/operating.md, and no other', () => {
  const sources = globSync('{src,dev}/**/*.ts', { cwd: root, exclude: ['src/generated/**'] });
  const named = sources.flatMap((path) => [
    ...projectFile(path).matchAll(/\bevent(?::| =) [^,;\n]*/g),
  ]);
  const logged = named.flatMap(([text]) =>
    [...text.matchAll(/'([a-z.-]+)'/g)].map(([, name = '']) => name),
  );
  const headings = [...page.matchAll(/^### `([a-z.-]+)`$/gm)].map(([, name = '']) => name);
  expect(headings.toSorted()).toEqual([...new Set(logged)].toSorted());
});

test('every variable that the service reads is in .env.example and in docs/operating.md', () => {
  const variables = [
    ...projectFile('src/config/environment.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm),
  ];
  expect(variables.length).toBeGreaterThan(10);
  for (const [, name] of variables) {
    expect(projectFile('.env.example')).toMatch(new RegExp(`^#? ?${name}=`, 'm'));
    expect(page).toContain(`\`${name}\``);
  }
});
