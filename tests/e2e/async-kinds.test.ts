import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushAnswerSchema } from '../../src/protocol/push.ts';
import { nextKey, put } from '../testkit/oracle/events.ts';
import { saidOf } from '../testkit/oracle/tenant.ts';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { type Service, startService } from '../testkit/service.ts';

/** Plain JavaScript, so that nothing tells its author that none of this may wait. */
const source = `
import { append, bundledKinds, decide, defineKind, payload, put } from 'landfall';
import { z } from 'zod';

const later = async () => { throw new Error('it failed later'); };
const size = ({ size }) => ({ size });
const kind = (entityType, parts) => defineKind({
  name: entityType + '.play',
  entityType,
  payload: payload(z.strictObject({ id: z.string(), size: z.number() })),
  entityId: ({ id }) => id,
  ...parts,
});

export default [
  ...bundledKinds,
  kind('decide', { policy: decide({ reads: () => [], decide: later }) }),
  kind('reduce', { policy: append(later) }),
  kind('resolve', { policy: put(size), resolve: later }),
  kind('policy', { policy: Object.assign(later, put(size)) }),
  kind('id', { policy: put(size), entityId: later }),
  kind('base', { policy: put(size), baseVersion: later }),
];
`;

let database: TestDatabase;
/** Inside the project, so that Landfall is found by its name. */
let folder: string;
let service: Service;
beforeAll(async () => {
  const data = fileURLToPath(new URL('../../.data/', import.meta.url));
  await mkdir(data, { recursive: true });
  folder = await mkdtemp(join(data, 'async-kinds-'));
  const kinds = join(folder, 'kinds.js');
  await writeFile(kinds, source);
  database = await createDatabase();
  service = await startService({
    dataDir: join(folder, 'data'),
    env: { DATABASE_URL: database.url, KINDS: kinds },
  });
});
afterAll(async () => {
  await service?.stop();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

async function said(events: readonly object[]): Promise<string[]> {
  const token = service.token({ tenant: 't1' });
  const answer = await fetch(`${service.url}/api/sync/events?include=results`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  return saidOf(pushAnswerSchema.parse(await answer.json()));
}

test('a service whose kinds are async by mistake fails their events, and goes on answering', async () => {
  const send = (entityType: string, size: number, rest: object = {}) => ({
    ...{ identityKey: nextKey(), kind: `${entityType}.play`, payload: { id: 'a', size } },
    ...rest,
  });
  const types = ['decide', 'reduce', 'policy', 'id', 'base'];
  for (const round of [1, 2]) {
    const sent = types.map((type) => send(type, round));
    expect(await said([put('n1'), ...sent])).toEqual([
      round === 1 ? 'applied' : 'noop',
      ...types.map(() => 'KIND_FAILED'),
    ]);
  }
  expect(await said([send('resolve', 1), send('resolve', 2, { baseVersion: 0 })])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await said([put('n2')])).toEqual(['applied']);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
});
