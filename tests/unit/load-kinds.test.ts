import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { loadKinds } from '../../src/service/load-kinds.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const imports = `import { append, bundledKinds, defineKind, payload, put } from 'landfall';
import { z } from 'zod';
`;

/** A call of defineKind with one argument per line. The code of each file starts at line 3. */
const book = (changes: string) => `defineKind({
  name: 'book.put',
  entityType: 'book',
  payload: payload(z.strictObject({ bookId: z.string() })),
  entityId: ({ bookId }) => bookId,
  policy: put(() => ({})),
  ${changes}
})`;

/** The reason, the source of the file, and the message after the file's name. */
const refused: readonly (readonly [why: string, source: string, message: string])[] = [
  [
    'is not TypeScript',
    'export default [\n  1, ;\n];',
    'cannot be loaded: Expression expected (FILE:2)',
  ],
  ['needs more than stripped types', 'enum A { B }', 'cannot be loaded: TypeScript enum is not'],
  [
    'imports an unknown package',
    `import 'no-such-package';`,
    'cannot be loaded: Cannot find package',
  ],
  ['imports an unknown name', `import { nope } from 'landfall';`, "export named 'nope'"],
  ['throws', `\nthrow new Error('no catalogue');`, 'cannot be loaded: no catalogue (FILE:2)'],
  ['misuses a package', `import { z } from 'zod';\nz.enum(undefined);`, '(FILE:2)'],
  ['throws a value that is no error', `throw 'no catalogue';`, 'cannot be loaded: no catalogue'],
  ['has no default export', 'export const kinds = [];', 'has no default export'],
  ['exports one kind', `${imports}export default ${book('')};`, 'does not export a list'],
  ['exports no kind', 'export default [];', 'exports an empty list'],
  [
    'lists a plain definition',
    `${imports}export default [...bundledKinds, { name: 'book.put' }];`,
    `exports as item ${bundledKinds.length + 1} kind "book.put" that defineKind did not make`,
  ],
  ['lists null', 'export default [null];', 'exports as item 1 something that defineKind did not'],
  [
    'passes a schema in place of payload versions',
    `${imports}export default [${book('payload: z.strictObject({})')}];`,
    'cannot be loaded: kind "book.put": payload is not made by payload(schema) (FILE:3)',
  ],
  [
    'passes a policy that was not called',
    `${imports}export default [${book('policy: put')}];`,
    'cannot be loaded: kind "book.put": policy is not made by put(…) or another policy function (FILE:3)',
  ],
  [
    'defines a kind with an invalid name',
    `${imports}const kind = ${book(`name: 'a book'`)};\nexport default [kind];`,
    'cannot be loaded: kind "a book": a name is 1 to 100 letters and digits, with . _ - : / after the first (FILE:3)',
  ],
  [
    'defines a kind twice',
    `${imports}const kind = ${book('')};\nexport default [kind, kind];`,
    'cannot be used: kind book.put is defined twice',
  ],
  [
    'defines kinds that contradict each other',
    `${imports}const fact = ${book(`name: 'book.rated', policy: append(() => ({}))`)};
export default [${book('')}, fact];`,
    'cannot be used: kind book.rated is append, but book.put',
  ],
];

/** A folder inside the project, so that its files can import `landfall` and its packages. */
let folder: string;
/** The message by file name. Node itself loads the files, because Vitest would compile them differently. */
let messages: Readonly<Record<string, string>>;
beforeAll(async () => {
  await mkdir(join(root, '.data'), { recursive: true });
  folder = await mkdtemp(join(root, '.data/kinds-file-'));
  for (const [index, [, source]] of refused.entries()) {
    await writeFile(join(folder, `${index}.ts`), `${source}\n`);
  }
  messages = await load(folder, ...refused.keys().map((index) => `${index}.ts`), 'gone.ts');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a module of kinds is refused with its file and the kind at fault, if it', () => {
  test.each(refused.map((row, index) => [...row, `${index}.ts`] as const))(
    '%s',
    (_why, _source, message, name) => {
      const path = join(folder, name);
      expect(messages[name]).toMatch(/^KindsFileError: KINDS: /);
      expect(messages[name]).toContain(` ${path} `);
      expect(messages[name]).toContain(message.replace('FILE', path));
      expect(messages[name]?.split('\n')).toHaveLength(1);
    },
  );

  test('does not exist', () => {
    const path = join(folder, 'gone.ts');
    expect(messages['gone.ts']).toBe(`KindsFileError: KINDS: ${path} does not exist`);
  });
});

describe('a module of kinds is accepted', () => {
  const good = `${imports}export default [...bundledKinds, ${book('')}];\n`;
  const kindNames = [...bundledKinds.map(({ name }) => name), 'book.put'].join(' ');

  test('from the working directory, with the bundled kinds and its own ones', async () => {
    await writeFile(join(folder, 'good.ts'), good);
    expect(await load(folder, './good.ts')).toEqual({ './good.ts': kindNames });
  });

  test('from outside of the project, with Landfall and zod among its packages', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'landfall-kinds-'));
    await mkdir(join(outside, 'node_modules'));
    await symlink(root, join(outside, 'node_modules/landfall'));
    await symlink(join(root, 'node_modules/zod'), join(outside, 'node_modules/zod'));
    await writeFile(join(outside, 'good.ts'), good);
    expect(await load(outside, 'good.ts')).toEqual({ 'good.ts': kindNames });
    await rm(outside, { recursive: true });
  });

  test('if the environment names one; otherwise the bundled kinds are used', async () => {
    const kindsFileOf = (env: NodeJS.ProcessEnv) => loadConfig(env, () => '').kindsFile;
    expect(kindsFileOf({ KINDS: './my-kinds.ts' })).toBe('./my-kinds.ts');
    expect([kindsFileOf({}), kindsFileOf({ KINDS: '' })]).toEqual([undefined, undefined]);
    expect((await loadKinds(undefined)).kinds).toEqual(bundledKinds);
  });
});

/** Loads the files in one process of Node. Returns the names of the kinds, or the error, by file. */
async function load(cwd: string, ...files: readonly string[]): Promise<Record<string, string>> {
  const script = `
    const { loadKinds } = await import(${JSON.stringify(join(root, 'src/service/load-kinds.ts'))});
    const found = {};
    for (const file of process.argv.slice(1)) {
      found[file] = await loadKinds(file).then(
        ({ kinds }) => kinds.map(({ name }) => name).join(' '),
        (error) => String(error),
      );
    }
    process.stdout.write(JSON.stringify(found));`;
  const args = ['--input-type=module', '--eval', script, '--', ...files];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
  return JSON.parse(stdout);
}
