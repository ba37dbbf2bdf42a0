import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import { cutHistory } from '../testkit/postgres/tenant-history.ts';

let wire: ListeningApp;
let other: ListeningApp;
let mine: Tenant;
beforeAll(async () => {
  [wire, other] = await Promise.all([startListeningApp(), startListeningApp()]);
  mine = await createTenant(wire.service);
  await mine.push([putNote('n1', { title: 'mine' }), putNote('n2')]);
});
afterAll(() => Promise.all([wire.close(), other.close()]));

function pullSince(tenant: Tenant, since: string, rest = '') {
  const url = `/api/sync/changes?since=${encodeURIComponent(since)}${rest}`;
  return wire.send({ url, sender: tenant.sender() });
}

/** A checkpoint in the service's format, with the MAC of an empty key. */
function forge(version: bigint, bootstrapHead = 0n): string {
  const body = Buffer.alloc(41);
  body.writeUInt8(3, 0);
  body.writeBigUInt64BE(version, 1);
  body.writeBigUInt64BE(bootstrapHead, 9);
  const mac = createHmac('sha256', '')
    .update(body)
    .update(JSON.stringify([mine.id, '']))
    .digest();
  return Buffer.concat([body, mac.subarray(0, 16)]).toString('base64url');
}

type Making = () => string | Promise<string>;

describe("bad input: checkpoint garbage, forged, another tenant's", () => {
  const own = async () => (await mine.pull()).checkpoint;
  const filtered = async () => (await mine.pull({ entityTypes: 'note' })).checkpoint;
  const theirs = async () => {
    const tenant = await createTenant(wire.service);
    return (await tenant.push([putNote('n1')])).checkpoint;
  };
  const ofEpoch = '&epoch=5d3b4d0a-5d3b-4d0a-8d3b-4d0a5d3b4d0a';
  const flipped = (at: number) => async () => {
    const bytes = Buffer.from(await own(), 'base64url');
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes.toString('base64url');
  };

  const bad: [what: string, since: Making, rest?: string][] = [
    ['an empty text', () => ''],
    ['a word', () => 'garbage'],
    ['a position', () => '0'],
    ['U+0000', () => 'ü\u0000'],
    ['SQL', () => "' OR 1=1 --"],
    ['a text of the right length', () => 'A'.repeat(76)],
    ['random bytes', () => randomBytes(57).toString('base64url')],
    ['a text that is far too long', () => 'A'.repeat(5000)],
    ['with the MAC of an empty key', () => forge(1n)],
    ['of the largest possible version', () => forge(2n ** 64n - 1n, 2n ** 64n - 1n)],
    ['truncated', async () => (await own()).slice(0, -1)],
    ['with an additional character', async () => `${await own()}A`],
    ['padded', async () => `${await own()}=`],
    ['with a line break', async () => `${await own()}\n`],
    ['quoted, as the ETag is', async () => `"${await own()}"`],
    ['in lower case', async () => (await own()).toLowerCase()],
    ['of another format', flipped(0)],
    ['with another version', flipped(8)],
    ['with another epoch', flipped(20)],
    ['with another digest', flipped(40)],
    ['with another MAC', flipped(56)],
    ["another tenant's", theirs],
    [
      "another service's",
      async () => (await (await createTenant(other.service)).pull()).checkpoint,
    ],
    [
      'whose filter was changed',
      async () => {
        const bytes = Buffer.from(await filtered(), 'base64url');
        return Buffer.concat([bytes.subarray(0, 57), Buffer.from('user')]).toString('base64url');
      },
    ],
    [
      'of a bootstrap, whose last record was changed',
      async () => {
        const bytes = Buffer.from((await mine.pull({ limit: 1 })).checkpoint, 'base64url');
        expect(bytes.toString('utf8', 57)).toBe(';;note;n1');
        return Buffer.concat([bytes.subarray(0, -1), Buffer.from('0')]).toString('base64url');
      },
    ],
    ['a position without its epoch', () => '1'],
    ['a position of 0', () => '0', ofEpoch],
    ['a position below 0', () => '-1', ofEpoch],
    ['a position with a fraction', () => '1.5', ofEpoch],
    ['a position in another notation', () => '1e0', ofEpoch],
    ['a position beyond what a number holds', () => '9007199254740992', ofEpoch],
    ['a checkpoint with an epoch', own, ofEpoch],
  ];

  test.each(bad)('%s', async (_what, since, rest) => {
    const problem = expectProblem(await pullSince(mine, await since(), rest));
    expect(problem).toMatchObject({ status: 400, code: 'INVALID_CHECKPOINT', retryable: false });
  });

  test('every invalid checkpoint gets the same answer, and a valid one is accepted', async () => {
    const bodies = new Set<string>();
    for (const [, since, rest] of bad) {
      bodies.add(JSON.stringify((await pullSince(mine, await since(), rest)).body));
    }
    expect(bodies.size).toBe(1);
    expect((await pullSince(mine, await own())).status).toBe(200);
    expect((await pullSince(mine, await filtered(), '&entityTypes=note')).status).toBe(200);
  });
});

describe('bad input: checkpoint expired, ahead of the head, of a lost history', () => {
  const sql = (text: string, values: readonly unknown[]) => wire.service.sql(text, values);
  const update = (assignment: string) => (tenant: Tenant) =>
    sql(`UPDATE tenants SET ${assignment} WHERE id = $1`, [tenant.id]);
  const loseTail = (tenant: Tenant) => cutHistory(sql, tenant.id, 1);

  test.each<[what: string, change: (tenant: Tenant) => Promise<unknown>, after: number]>([
    ['older than the kept tombstones', update('horizon = head + 1'), 1],
    ['ahead of the head, which a restore set back', loseTail, 0],
    ['of versions that others took after a restore', loseTail, 3],
    ['of a tenant that was removed and created again', update('epoch = gen_random_uuid()'), 0],
  ])('%s', async (_what, change, after) => {
    const tenant = await createTenant(wire.service);
    await tenant.push([putNote('n1'), putNote('n2')]);
    const { checkpoint } = await tenant.pull();
    expect((await pullSince(tenant, checkpoint)).status).toBe(200);
    await change(tenant);
    if (after > 0) await tenant.push(Array.from({ length: after }, (_, at) => putNote(`m${at}`)));
    const answer = await pullSince(tenant, checkpoint);
    expect(expectProblem(answer)).toMatchObject({ status: 410, code: 'CHECKPOINT_EXPIRED' });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect((await wire.send({ url: '/api/sync/changes', sender: tenant.sender() })).status).toBe(
      200,
    );
  });
});

test.each(['"', 'W/', '*', '""', ',,,', 'W/"x", "y"', '"'.repeat(5000), 'ü'])(
  'an invalid If-None-Match is ignored: %s',
  async (tag) => {
    const headers = { 'if-none-match': tag };
    const answer = await wire.send({ url: '/api/sync/changes', headers, sender: mine.sender() });
    expect(answer.status).toBe(200);
    const again = { 'if-none-match': `"x", W/${String(answer.headers.etag)}` };
    const url = `/api/sync/changes?since=${answer.body.checkpoint}`;
    const unchanged = await wire.send({ url, headers: again, sender: mine.sender() });
    expect(unchanged).toMatchObject({ status: 304, body: '' });
  },
);
