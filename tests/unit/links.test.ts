import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const pages = globSync(['*.md', 'docs/**/*.md', 'tests/**/*.md'], { cwd: root });

/** Relative ones, without the place on the page. */
function linksOf(page: string): string[] {
  const text = readFileSync(new URL(page, root), 'utf8');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^(https?:|#)/.test(target)).map((t) => t.split('#')[0] ?? '');
}

test.each(pages)('every link of %s leads somewhere', (page) => {
  const lost = linksOf(page).filter((target) => !existsSync(new URL(target, new URL(page, root))));
  expect(lost).toEqual([]);
});

test('it is the real pages that are read', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/security.md']));
  expect(linksOf('README.md')).toContain('docs/security.md');
});
