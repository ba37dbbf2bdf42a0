import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drain } from '../outbox/drain.ts';
import { noteKinds } from '../outbox/notes.ts';
import type { Data, LocalKinds } from '../outbox/view.ts';
import type { Service } from '../testkit/service.ts';
import type { Answering } from './gateway.ts';
import {
  attempts,
  codes,
  fakeClock,
  keysOf,
  openBehindGateway,
  patch,
  put,
  serverLog,
  startAnother,
  useOutboxes,
} from './outbox-harness.ts';

useOutboxes();

const day = 86_400_000;

/** Without MENDED, the kind throws on what it did not expect, and nobody knows the other two. */
const source = `
import { append, bundledKinds, defineKind, payload } from 'landfall';
import { z } from 'zod';

const mended = process.env.MENDED === 'yes';
const shape = z.strictObject({ id: z.string(), size: z.number() });
const kind = (name, versions) => defineKind({
  name: name + '.put',
  entityType: name,
  payload: versions,
  entityId: ({ id }) => id,
  policy: append((_state, { size }) => {
    if (!mended && size > 1) throw new Error('this kind did not expect that');
    return { size };
  }),
});
const old = payload(shape);
const brittle = kind('brittle', mended ? old.next(shape, (older) => older) : old);

export default [...bundledKinds, brittle, ...(mended ? [kind('planned', old)] : [])];
`;

const local = (entityType: string): LocalKinds[string] => ({
  entityType,
  entityId: ({ id }: Data) => String(id),
  apply: (_before, { size }) => ({ size }),
});
const kinds = { ...noteKinds, 'brittle.put': local('brittle'), 'planned.put': local('planned') };

/** Inside the project, so that Landfall is found by its name. */
let folder: string;
beforeAll(async () => {
  const data = fileURLToPath(new URL('../../.data/', import.meta.url));
  await mkdir(data, { recursive: true });
  folder = await mkdtemp(join(data, 'server-faults-'));
  await writeFile(join(folder, 'kinds.js'), source);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const edit = (id: string, size: number) => ({ kind: 'brittle.put', payload: { id, size } });

/** A device at a service whose kinds are mended at some time. */
async function openAtBrittleService(answering: Answering = ({ forward }) => forward()) {
  const device = fakeClock();
  const start = (mended: string) =>
    startAnother({ KINDS: join(folder, 'kinds.js'), MENDED: mended });
  let service: Service = await start('no');
  const options = { ...device, kinds };
  const outbox = await openBehindGateway('laptop', answering, options, () => service.url);
  return {
    outbox,
    device,
    mend: async () => {
      await service.stop();
      service = await start('yes');
    },
  };
}

test('events that the server cannot take for a fault of its own wait until it is mended, in order', async () => {
  const { outbox, device, mend } = await openAtBrittleService();
  const [broken, behind] = [outbox.enqueue(edit('a', 2)), outbox.enqueue(edit('a', 1))];
  const taken = [outbox.enqueue(edit('b', 1)), outbox.enqueue(put('n1'))];
  const unknown = outbox.enqueue({ kind: 'planned.put', payload: { id: 'p', size: 1 } });
  const newer = outbox.enqueue({ ...edit('c', 1), version: 2 });
  await outbox.sync();
  expect(keysOf(await serverLog())).toEqual(taken);
  expect(codes(outbox.waitingForServer())).toEqual([
    ...['KIND_FAILED', 'BLOCKED', 'UNKNOWN_KIND', 'UNSUPPORTED_VERSION'],
  ]);
  for (let tries = 0; tries < 5; tries += 1) {
    device.pass(3_600_000);
    await outbox.sync();
  }
  expect(attempts(outbox.waitingForServer())).toEqual([0, 0, 0, 0]);
  expect(outbox.failed()).toEqual([]);
  expect([...outbox.view('brittle').keys()]).toEqual(['b', 'a', 'c']);

  await mend();
  device.pass(3_600_000);
  await drain(outbox, device);
  expect([...outbox.pending(), ...outbox.failed(), ...outbox.waitingForServer()]).toEqual([]);
  expect(keysOf(await serverLog()).slice(2)).toEqual([broken, behind, unknown, newer]);
  expect(outbox.view('brittle').get('a')).toEqual({ size: 1 });
});

test('an event waits for the server as long as it is told to', async () => {
  let pushes = 0;
  const { outbox, device } = await openAtBrittleService((request) => {
    pushes += request.method === 'POST' ? 1 : 0;
    return request.forward();
  });
  outbox.enqueue(edit('a', 2));
  await outbox.sync();
  const [waiting] = outbox.waitingForServer();
  device.pass((waiting?.lastError?.retryAfterMs ?? 0) - 1_000);
  await outbox.sync();
  expect(pushes).toBe(1);
  device.pass(1_000);
  await outbox.sync();
  expect(pushes).toBe(2);
});

test('a device gives up what the server could not take for 30 days, and not what it could not ask', async () => {
  const { outbox, device, mend } = await openAtBrittleService();
  const key = outbox.enqueue(edit('a', 2));
  // Offline for longer than that before it asks for the first time.
  device.pass(40 * day);
  await outbox.sync();
  device.pass(29 * day);
  await outbox.sync();
  expect(codes(outbox.waitingForServer())).toEqual(['KIND_FAILED']);
  device.pass(day);
  await outbox.sync();
  expect(outbox.waitingForServer()).toEqual([]);
  expect(codes(outbox.failed())).toEqual(['KIND_FAILED']);

  outbox.retry(key);
  await outbox.sync();
  expect(codes(outbox.waitingForServer())).toEqual(['KIND_FAILED']);
  await mend();
  await drain(outbox, device);
  expect(keysOf(await serverLog())).toEqual([key]);
});

test('a fault of the server does not use up the tries of another failure before or after it', async () => {
  const device = fakeClock();
  let isFaulty = true;
  const phone = await openBehindGateway(
    'phone',
    async ({ method, forward }) => {
      const answer = await forward();
      if (!isFaulty || method !== 'POST') return answer;
      const { failed, ...rest } = JSON.parse(await answer.text());
      const [entry] = failed;
      return Response.json({
        ...rest,
        failed: [{ ...entry, code: 'KIND_FAILED', fault: 'server' }],
      });
    },
    device,
  );
  phone.enqueue(patch('nowhere', { title: 'lost' }));
  for (const faulty of [false, true, true, true, false]) {
    isFaulty = faulty;
    await phone.sync();
    device.pass(3_600_000);
  }
  expect(attempts(phone.pending())).toEqual([2]);
  await phone.sync();
  expect(codes(phone.failed())).toEqual(['NOT_FOUND']);
});
