import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../setup/database.ts';
import { readmeBlocks } from '../setup/readme.ts';
import { type Service, startService } from '../setup/service.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const separator = '\n=== end of a block ===\n';
const secret = 'the secret of the tour, at least 32 bytes';

let database: TestDatabase;
let service: Service;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'landfall-readme-'));
  database = await createDatabase();
  const env = { DATABASE_URL: database.url, JWT_SECRET: secret };
  service = await startService({ dataDir: folder, env });
});
afterAll(async () => {
  await service.stop();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

test('the tour in README.md runs as it is written, and answers what it says', async () => {
  const blocks = readmeBlocks('tour');
  const script = blocks
    .filter(({ language }) => language === 'sh')
    .map(({ text }) => `${text}printf '%s' '${separator}'\n`);
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-euo', 'pipefail', '-c', script.join('')],
    {
      cwd: root,
      env: { ...process.env, LANDFALL: service.url, JWT_SECRET: secret },
    },
  );
  const printed = stdout.split(separator).filter((text) => text.trim() !== '');
  const expected = blocks.filter(({ language }) => language === 'json');
  expect(printed).toHaveLength(expected.length);
  for (const [index, text] of printed.entries()) {
    expect(masked(JSON.parse(text))).toEqual(JSON.parse(expected[index]?.text ?? ''));
  }
});

test('the kind in README.md can be defined as it is written', async () => {
  const [block] = readmeBlocks('kind');
  const kinds = pathToFileURL(join(root, 'src/kinds/')).href;
  const source = (block?.text ?? '')
    .replaceAll("'../../", `'${new URL('../', kinds).href}`)
    .replaceAll("'../", `'${kinds}`)
    .replaceAll("'zod'", `'${import.meta.resolve('zod')}'`);
  const file = join(folder, 'task.ts');
  await writeFile(file, source);
  const { taskPut } = await import(file);
  expect(taskPut.interpret(1, { taskId: 't1', name: 'Sweep' })).toEqual({
    ok: true,
    meaning: {
      entityId: 't1',
      intent: { policy: 'put', fields: { name: 'Sweep', done: false } },
    },
  });
});

/** The README leaves out what differs from run to run. */
function masked(value: unknown): unknown {
  const volatile = /^(checkpoint|receivedAt|createdAt|updatedAt|effectiveAt|serverTime)$/;
  return JSON.parse(JSON.stringify(value, (key, inner) => (volatile.test(key) ? '…' : inner)));
}
