import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadKinds } from '../../src/service/load-kinds.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { readmeBlocks } from '../testkit/repository/readme-blocks.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const separator = '\n=== end of a block ===\n';
const secret = 'the secret of the tour, at least 32 bytes';

let database: TestDatabase;
let service: ServiceProcess;
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

test('the kind in README.md can be listed as it is written', async () => {
  const [block] = readmeBlocks('kind');
  // Inside the project, where Landfall is found by its name.
  await mkdir(join(root, '.data'), { recursive: true });
  const place = await mkdtemp(join(root, '.data/readme-'));
  const file = join(place, 'my-kinds.ts');
  await writeFile(file, block?.text ?? '');
  const kinds = await loadKinds(file);
  await rm(place, { recursive: true });
  expect(kinds.find('note.put')).toBeDefined();
  expect(kinds.find('task.put')?.interpret(1, { taskId: 't1', name: 'Sweep' })).toMatchObject({
    ok: true,
    interpretation: {
      entityId: 't1',
      intent: { policy: 'put', fields: { name: 'Sweep', done: false } },
    },
  });
});

/** The README leaves out what differs from run to run. */
function masked(value: unknown): unknown {
  const volatile = /^(checkpoint|receivedAt|createdAt|updatedAt|effectiveAt|serverTime|epoch)$/;
  return JSON.parse(JSON.stringify(value, (key, inner) => (volatile.test(key) ? '…' : inner)));
}
