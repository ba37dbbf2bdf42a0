import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Kind, rehearse, type RehearsalBatch } from '../../src/index.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = await readFile(join(root, 'docs/kinds.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text = '']) => {
  const [, file] = /^\/\/ (library\/\S+)\n/.exec(text) ?? [];
  return { language, text, file };
});

let database: TestDatabase;
/** The reader's folder: inside the project, so that Landfall is found by its name. */
let folder: string;
let service: ChildProcess | undefined;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  await mkdir(join(root, '.data'), { recursive: true });
  folder = await mkdtemp(join(root, '.data/kinds-page-'));
  await mkdir(join(folder, 'library'));
  await writeFile(join(folder, 'tsconfig.json'), '{ "extends": "../../tsconfig.json" }');
  database = await createDatabase();
  env = {
    ...process.env,
    ...{ NODE_ENV: 'development', PORT: '0', DATA_DIR: join(folder, 'data') },
    ...{ JWKS_URL: '', JWT_ISSUER: '', JWT_AUDIENCE: '', JWT_TENANT_CLAIM: '' },
    ...{ DATABASE_URL: database.url, JWT_SECRET: 'a secret of at least 32 bytes, for the page' },
  };
});
afterEach(stop);
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

describe('docs/kinds.md', () => {
  test('has no code that is neither a whole file nor a command', () => {
    const strays = blocks.filter(({ file, language }) => !file && language !== 'sh');
    expect(strays).toEqual([]);
  });

  test('can be followed from an empty file to the end: every file, every command', async () => {
    const [, config = ''] = /`(.*)` as `library\/tsconfig.json`/.exec(page) ?? [];
    await writeFile(join(folder, 'library/tsconfig.json'), config);
    const printed: string[] = [];
    for (const { file, text } of blocks) {
      if (file) await writeFile(join(folder, file), text);
      else if (text.endsWith('npm start\n')) {
        await stop();
        env.LANDFALL = await start(inFolder(text));
      } else printed.push(await bash(inFolder(text)));
    }
    expect(JSON.parse(printed[0] ?? '')).toMatchObject({ processed: ['desk-1'], failed: [] });
    const document = await fetch(`${env.LANDFALL}/docs/json`);
    expect(await document.text()).toContain('book.put.v1');
    expect(printed[1]).toContain('pass 1');
    expect(printed[2]).toContain('pass 2');
    expect(JSON.parse(printed[4] ?? '')).toMatchObject({
      processed: ['desk-2'],
      failed: [
        { identityKey: 'desk-3', code: 'NO_COPY_LEFT' },
        { identityKey: 'desk-4', code: 'NO_COPY_LEFT' },
      ],
    });
    expect(printed).toHaveLength(5);
  }, 180_000);

  test('says right how to test with vitest', async () => {
    for (const name of ['kinds', 'loan']) {
      const file = join(folder, `library/${name}.test.ts`);
      const source = await readFile(file, 'utf8');
      await writeFile(file, source.replace(`'node:test'`, `'vitest'`));
    }
    const [, command = ''] = /`(npm exec -- vitest [^`]*)`/.exec(page) ?? [];
    expect(await bash(inFolder(command))).toMatch(/Tests.*2 passed/);
  });
});

describe('the kinds of docs/kinds.md do what the page says:', () => {
  let kinds: readonly Kind[];
  beforeAll(async () => {
    ({ default: kinds } = await import(join(folder, 'library/kinds.ts')));
  });
  let keys = 0;
  const event = (kind: string, payload: object, around: object = {}) => {
    keys += 1;
    return { identityKey: `key-${keys}`, kind, payload, ...around };
  };
  const play = (...batches: readonly RehearsalBatch[]) => {
    const { answers, records } = rehearse(kinds, batches);
    const failed = answers.flatMap((answer) => answer.failed);
    return { answers, failed, records, data: records.map(({ data }) => data) };
  };
  const book = { bookId: 'emma', title: 'Emma' };

  test('payloads of every version climb to the newest', () => {
    const put = (version: number, payload: object) => [event('book.put', payload, { version })];
    const emma = { title: 'Emma', copies: 1, languages: ['en'] };
    expect(play({ events: put(1, book) }).data).toEqual([emma]);
    expect(play({ events: put(2, { ...book, copies: 4 }) }).data).toEqual([{ ...emma, copies: 4 }]);
    const v3 = { copies: 4, languages: ['de'] };
    expect(play({ events: put(3, { ...book, ...v3 }) }).data).toEqual([{ title: 'Emma', ...v3 }]);
    const unchecked = put(2, { ...book, copies: -1 });
    expect(play({ events: unchecked }).failed).toMatchObject([{ path: 'payload.copies' }]);
  });

  test('a book that was stored before there were copies has one, and its language', () => {
    const records = [{ entityType: 'book', entityId: 'emma', data: { title: 'Emma' } }];
    const count = event('book.count', { bookId: 'emma', copies: 9 });
    const played = rehearse(kinds, [{ events: [count] }], { records });
    expect(played.records[0]?.data).toEqual({ title: 'Emma', copies: 9, languages: ['en'] });
    expect(rehearse(kinds, [], { records }).records[0]?.data).toMatchObject({ copies: 1 });
  });

  test('a patch writes what it names, and only staff removes', () => {
    const events = [event('book.put', book), event('book.count', { bookId: 'emma', copies: 9 })];
    const remove = [event('book.remove', { bookId: 'emma' })];
    expect(play({ events }).data).toMatchObject([{ title: 'Emma', copies: 9 }]);
    const refused = play({ events }, { events: remove });
    expect(refused.failed).toMatchObject([{ code: 'NOT_ALLOWED' }]);
    const removed = play({ events }, { events: remove, scopes: ['library:staff'] });
    expect(removed.records).toMatchObject([{ deleted: true, data: { title: 'Emma' } }]);
  });

  test('edits of one member meet: phones are merged, names are a conflict', () => {
    const ann = { memberId: 'm1', name: 'Ann', phones: ['1'] };
    const update = (changes: object, around: object = { baseVersion: 1 }) =>
      event('member.update', { ...ann, ...changes }, around);
    const joined = { events: [event('member.join', ann)] };
    const added = { events: [update({ phones: ['1', '2'] })] };
    const merged = play(joined, added, { events: [update({ phones: ['3', '1'] })] });
    expect(merged.data).toEqual([{ name: 'Ann', phones: ['1', '2', '3'] }]);
    const renamed = play(joined, added, { events: [update({ name: 'Anne' })] });
    expect(renamed.failed).toMatchObject([
      { code: 'CONFLICT', current: { version: 2 }, differingFields: ['name', 'phones'] },
    ]);
    const ben = event('member.join', { ...ann, name: 'Ben' });
    const others = play(joined, { events: [ben, update({}, {})] });
    expect(others.failed).toMatchObject([
      { code: 'CONFLICT' },
      { code: 'INVALID_EVENT', path: 'baseVersion' },
    ]);
  });

  test('a parcel is told of its places in their order', () => {
    const moved = (sequence: number, place: string) =>
      event('parcel.moved', { parcelId: 'p1', place }, { sequence });
    const [first, second] = [moved(1, 'Bath'), moved(2, 'York')];
    const { failed, data } = play({ events: [second] }, { events: [first, second] });
    expect(failed).toMatchObject([{ code: 'SEQUENCE_GAP', retryable: true }]);
    expect(data).toEqual([{ place: 'York', from: 'Bath' }]);
  });

  test('a loan takes a copy, and waits where none is left', () => {
    const loan = (loanId: string) => event('loan.start', { loanId, bookId: 'emma' });
    const early = play({ events: [loan('l1')] });
    expect(early.failed).toMatchObject([{ code: 'NOT_FOUND', path: 'payload.bookId' }]);
    const events = [event('book.put', book), loan('l1'), loan('l1'), loan('l2')];
    const { answers, failed, records } = play({ events });
    expect(failed).toMatchObject([{ code: 'NO_COPY_LEFT', retryable: true }]);
    expect(answers[0]?.results[2]).toMatchObject({ status: 'noop' });
    expect(records.slice(1).map(({ entityType, version }) => [entityType, version])).toEqual([
      ['loan', 2],
      ['stock', 2],
    ]);
    expect(records.at(-1)?.data).toEqual({ out: 1 });
  });
});

describe('a service whose kinds are wrong', () => {
  test('does not start: the file and the kind are named, no database is asked', async () => {
    const file = join(folder, 'wrong.ts');
    const kind = `{ name: 'book.put', entityType: 'a book' }`;
    await writeFile(file, `import { defineKind } from 'landfall';\ndefineKind(${kind});\n`);
    const wrong = { ...env, KINDS: file, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' };
    const args = [join(root, 'src/main.ts')];
    const run = promisify(execFile)(process.execPath, args, { env: wrong });
    expect(await run.catch((error) => error)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `Landfall cannot start.
KINDS: ${file} cannot be loaded: kind "book.put": "a book" must be an entity type: a letter and up to 99 letters, digits and . _ - after it (${file}:2)
`,
    });
  });
});

async function stop(): Promise<void> {
  const { pid, exitCode } = service ?? {};
  if (!service || pid === undefined || exitCode !== null) return;
  const exited = once(service, 'exit');
  process.kill(-pid, 'SIGTERM');
  await exited;
  service = undefined;
}

describe('a service whose kinds were changed in place', () => {
  test('does not start in production: one line names the kind, its version and what differs', async () => {
    const own = await createDatabase();
    const file = join(folder, 'changed.ts');
    const run = async (max: number) => {
      const kind = `defineKind({
        name: 'book.put',
        entityType: 'book',
        payload: payload(z.strictObject({ id: z.string().max(${max}) })),
        entityId: ({ id }) => id,
        policy: put(() => ({})),
      })`;
      const imports = `import { defineKind, payload, put } from 'landfall';\nimport { z } from 'zod';\n`;
      await writeFile(file, `${imports}export default [${kind}];\n`);
      env = { ...env, NODE_ENV: 'production', KINDS: file, DATABASE_URL: own.url };
      return start(`exec ${process.execPath} ${join(root, 'src/main.ts')}`).then(
        () => '',
        (error: Error) => error.message.split('\n').slice(1).join('\n'),
      );
    };
    expect(await run(20)).toBe('');
    await stop();
    const lines = (await run(10)).split('\n').map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({
      event: 'service.not-started',
      msg: expect.stringMatching(
        /^KINDS: version 1 of book\.put was changed in place \(properties\.id\.maxLength was 20, is 10\): /,
      ),
    });
    expect(lines.at(-1)).not.toHaveProperty('err');
    await own.drop();
  }, 120_000);
});

/** A command of the page, where the reader's folder is the test's own. */
function inFolder(command: string): string {
  return command.replace(/\blibrary\b/g, join(relative(root, folder), 'library'));
}

async function bash(command: string): Promise<string> {
  const args = ['-euo', 'pipefail', '-c', command];
  const { stdout } = await promisify(execFile)('bash', args, { cwd: root, env });
  return stdout;
}

/** Runs until `stop`. Resolves with where it listens. */
async function start(command: string): Promise<string> {
  // Its own group, so that npm and the service below it can be stopped together.
  const child = spawn('bash', ['-c', command], {
    ...{ cwd: root, env, detached: true },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  service = child;
  const output: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    output.push(line);
    if (!line.includes('"service.started"')) continue;
    child.stdout.resume();
    return JSON.parse(line).url;
  }
  throw new Error(`the service did not start:\n${output.join('\n')}`);
}
