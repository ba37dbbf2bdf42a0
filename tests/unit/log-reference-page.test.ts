import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { listSettings } from '../../src/config/settings/setting.ts';
import { settings } from '../../src/config/settings/settings.ts';

const root = new URL('../../', import.meta.url);
const projectFile = (path: string) => readFileSync(new URL(path, root), 'utf8');

test('docs/log-reference.md has a heading for every event that the service logs, and no other', () => {
  const sources = globSync('{src,dev}/**/*.ts', { cwd: root, exclude: ['src/generated/**'] });
  const members = sources.flatMap((path) => [
    ...projectFile(path).matchAll(/\bevent(?::| =) [^,;\n]*/g),
  ]);
  const logged = members.flatMap(([text]) =>
    [...text.matchAll(/'([a-z.-]+)'/g)].map(([, name = '']) => name),
  );
  const page = projectFile('docs/log-reference.md');
  const headings = [...page.matchAll(/^### `([a-z.-]+)`$/gm)].map(([, name = '']) => name);
  expect(headings.toSorted()).toEqual([...new Set(logged)].toSorted());
});

test('every setting that the service reads is in .env.example and in docs/configuration.md', () => {
  const variables = listSettings(settings).map(({ variable }) => variable);
  expect(variables.length).toBeGreaterThan(10);
  for (const variable of variables) {
    expect(projectFile('.env.example')).toMatch(new RegExp(`^#? ?${variable}=`, 'm'));
    expect(projectFile('docs/configuration.md')).toContain(`| \`${variable}\` |`);
  }
});
