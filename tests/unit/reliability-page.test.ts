import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const projectFile = (path: string) => readFileSync(new URL(path, root), 'utf8');

interface Row<Name> {
  /** By what `nameOf` makes of it: what the titles of its tests begin with. */
  readonly name: Name;
  readonly files: readonly string[];
}

/** The rows of the table under a heading; `nameOf` reads the first cell. */
function rowsUnder<Name>(heading: string, nameOf: (cell: string) => Name): readonly Row<Name>[] {
  const section = projectFile('docs/reliability.md').split(/^## /m);
  const [, ...lines] = (section.find((text) => text.startsWith(`${heading}\n`)) ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
  return lines.map((line) => {
    const cells = line.split(' | ');
    const links = [...(cells.at(-1) ?? '').matchAll(/\]\(\.\.\/([^)]+)\)/g)];
    return { name: nameOf(cells[0]?.slice(2) ?? ''), files: links.map(([, path = '']) => path) };
  });
}

/** Every title in the tests that begins so, as it reads, with its file. */
function titlesOf(prefix: string): readonly (readonly [title: string, file: string])[] {
  const quoted = new RegExp(`(['"\`])(${prefix}(?:\\\\.|(?!\\1)[^\\\\])*)\\1`, 'g');
  return globSync('tests/**/*.test.ts', { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path !== 'tests/unit/reliability-page.test.ts')
    .flatMap((file) =>
      [...projectFile(file).matchAll(quoted)].map(
        ([, , title = '']) => [title.replaceAll(/\\(.)/g, '$1'), file] as const,
      ),
    );
}

/** `row: file`, once each. */
const pairs = (all: readonly (readonly [name: string, file: string])[]) =>
  [...new Set(all.map(([name, file]) => `${name}: ${file}`))].toSorted();

describe.each([
  ['Faults', 'fault \\d+: ', (cell: string) => `fault ${cell}: `],
  ['Bad input', 'bad input: ', (cell: string) => `bad input: ${cell}`],
] as const)('in docs/reliability.md, under %s', (heading, prefix, nameOf) => {
  const rows = rowsUnder(heading, nameOf);
  const titles = titlesOf(prefix);

  test('every row has its tests', () => {
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter(({ files }) => files.length === 0)).toEqual([]);
  });

  test('every row links the files that hold a test of its name, and no others', () => {
    const linked = rows.flatMap(({ name, files }) => files.map((file) => [name, file] as const));
    const named = titles.flatMap(([title, file]) =>
      rows.filter(({ name }) => title.startsWith(name)).map(({ name }) => [name, file] as const),
    );
    expect(pairs(linked)).toEqual(pairs(named));
  });

  test('every test so named has exactly one row', () => {
    const homeless = titles.filter(
      ([title]) => rows.filter(({ name }) => title.startsWith(name)).length !== 1,
    );
    expect(homeless).toEqual([]);
  });
});

test('in docs/reliability.md, no fault from 1 to 23 is left out', () => {
  const numbers = rowsUnder('Faults', Number).map(({ name }) => name);
  expect(numbers).toEqual(Array.from({ length: 23 }, (_, index) => index + 1));
});

test('CI runs the commands that README.md has for testing, and nothing else', () => {
  const blocks = [...projectFile('README.md').matchAll(/^```sh\n(npm [^\n]*test[^\n]*)\n```$/gm)];
  const commands = blocks.map(([, command = '']) => command);
  expect(projectFile('.ci/run').trimEnd().split('\n').at(-1)).toBe(commands.join(' && '));
});
