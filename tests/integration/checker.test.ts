import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { check, expectNothingLost } from '../testkit/checker/check.ts';
import { createDevice, type Device } from '../testkit/checker/device.ts';
import { createHistory, type History } from '../testkit/checker/history.ts';
import { type SendRequest, sendInProcess } from '../testkit/network/send-request.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { cutHistory, moveHead, ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
let tenant: Tenant;
let history: History;
let devices: Device[];
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());
beforeEach(async () => {
  tenant = await createTenant(service);
  history = createHistory();
  devices = [];
});

const options = () => ({ databaseUrl: service.database.url, tenant: tenant.id, history, devices });

function device(
  name: string,
  send: SendRequest = sendInProcess(service, tenant.sender(name)),
): Device {
  const made = createDevice({ history, name, send, pauseMs: 1 });
  devices.push(made);
  return made;
}

/**
 * What the checker says of a tenant with five events that two devices share, once somebody tampered with it.
 *
 * @param head the head of the tenant then
 */
async function saidAfter(tamper: string, head = 5): Promise<string> {
  const [one, two] = [device('one'), device('two')];
  await one.push([putNote('n1', { title: 'A' }), putNote('n2', { title: 'B' })]);
  await two.push([patchNote('n1', { body: 'C' }), removeNote('n2'), putNote('n3', { title: 'D' })]);
  await expectNothingLost(options());
  await service.sql(tamper, [tenant.id]);
  await moveHead(service.sql, tenant.id, head);
  return (await check(options())).text;
}

test('finds nothing where nothing is wrong, and counts what was sent', async () => {
  const [one, two] = [device('one'), device('two')];
  await one.push([putNote('n1'), patchNote('n1', { body: 'B' }), removeNote('n1')]);
  await one.page(1);
  await two.push([putNote('n2'), putNote('n1', {}, { occurredAt: '2020-01-01T00:00:00Z' })]);
  await two.push([putNote('n1', {}, { baseVersion: 1 })]);
  await two.push([patchNote('nowhere', { title: 'A' })]);
  const { counts, text } = await expectNothingLost(options());
  expect(counts).toEqual({
    ...{ sent: 7, acknowledged: 6, unknown: 0 },
    ...{ lost: 0, twice: 0, differing: 0 },
  });
  expect(text).toBe(
    `tenant ${tenant.id}: 7 sent, 6 acknowledged, 0 unknown, 0 lost, 0 twice, 0 differing; 0 violations`,
  );
});

test('an acknowledged event that is not stored is told with its requests and who saw what', async () => {
  const text = await saidAfter(`DELETE FROM events WHERE ${ofTenant} AND version = 5`, 4);
  expect(text).toContain('1 lost');
  expect(text).toMatch(/LOST key-\d+: answered applied at version 5, and is not stored/);
  expect(text).toMatch(/ {2}event {6}\{"identityKey":"key-\d+","kind":"note.put","payload":/);
  expect(text).toMatch(/ {2}request {4}\S+ s {2}two, batch of 3: ok, applied, version 5/);
  expect(text).toContain('  stored     nowhere');
  expect(text).toMatch(/RECORD note n3: .* no event/);
});

test('an outcome or a version other than the answered one', async () => {
  // The code of noop.
  expect(
    await saidAfter(`UPDATE events SET outcome = 2 WHERE ${ofTenant} AND version = 1`),
  ).toMatch(/CHANGED key-\d+: answered applied at version 1, and is stored as noop at version 1/);
});

test('a payload other than the one sent', async () => {
  const text = await saidAfter(
    `UPDATE events SET payload = '{"noteId":"n1","title":"X","body":""}'
      WHERE ${ofTenant} AND version = 1`,
  );
  expect(text).toMatch(/CHANGED key-\d+: is stored with another content: .*"title":"X"/);
});

test('a version that is missing, and a head that is not the last one', async () => {
  const text = await saidAfter(
    `UPDATE events SET version = 7 WHERE ${ofTenant} AND version = 5`,
    8,
  );
  expect(text).toContain('version 5 to 6 is missing');
  expect(text).toContain('the head is 8, and the log ends at version 7');
});

test('an event that was applied under two versions', async () => {
  // The tables do not let it happen: whoever tampers takes their word away first.
  await service.sql('DROP INDEX events_tenant_no_key_hash_key');
  try {
    const text = await saidAfter(
      `INSERT INTO events (tenant_no, version, key_hash, identity_key, kind, kind_version, entity_type, entity_id,
              outcome, effective_at, received_at, clock_adjusted, record_changed, payload)
       SELECT tenant_no, 6, key_hash, identity_key, kind, kind_version, entity_type, entity_id,
              outcome, effective_at, received_at, clock_adjusted, record_changed, payload
         FROM events WHERE ${ofTenant} AND version = 5`,
      6,
    );
    expect(text).toContain('1 twice');
    expect(text).toMatch(/TWICE key-\d+: stands in the log at version 5 and 6/);
  } finally {
    await service.sql(`DELETE FROM events WHERE ${ofTenant} AND version = 6`, [tenant.id]);
    await service.sql(
      `CREATE UNIQUE INDEX events_tenant_no_key_hash_key ON events (tenant_no, key_hash)
        WHERE key_hash IS NOT NULL`,
    );
  }
});

test('an event that was answered as new twice', async () => {
  const one = device('one');
  await one.push([putNote('n1')]);
  history.requests.forEach((request) => history.add({ ...request }));
  expect((await check(options())).text).toMatch(/TWICE key-\d+: was answered as new 2 times/);
});

test('an event that nobody sent, and one that was refused', async () => {
  const one = device('one');
  await tenant.push([putNote('n1')]);
  await one.push([putNote('n2')]);
  const refused = [putNote('n3'), putNote('n4')];
  await tenant.push(refused);
  history.add({
    ...{ device: 'one', events: refused, atomic: false, sentAt: undefined },
    ...{ outcome: 'fail', status: 503, reason: 'UNAVAILABLE', startedAt: 0, endedAt: 0 },
  });
  // That it is a duplicate now does not say who stored it.
  await one.push(refused.slice(1));
  const { text } = await check(options());
  expect(text).toMatch(/UNEXPECTED key-\d+: is stored, and nobody sent it/);
  expect(
    text.match(/UNEXPECTED key-\d+: is stored, and was refused whenever it was sent/g),
  ).toHaveLength(2);
  expect(text).toContain('one, batch of 2: fail, 503 UNAVAILABLE');
});

test('an atomic batch of which a part is stored, though nobody knew what became of it', async () => {
  const events = [putNote('n1'), putNote('n2')];
  await tenant.push(events.slice(0, 1));
  const one = device('one', () => Promise.reject(new Error('no answer')));
  await one.push(events, { atomic: true });
  const { violations, text, counts } = await check({ ...options(), devices: [] });
  expect(violations.map(({ kind }) => kind)).toEqual(['partial']);
  expect(text).toMatch(/PARTIAL key-\d+: of an atomic batch 1 are stored, and 1 are not: key-\d+/);
  expect(text).toContain('one, atomic batch of 2: unknown, no answer');
  expect(counts.unknown).toBe(2);
});

test('an atomic batch of which nobody knows what became may be stored, or not', async () => {
  const silent: SendRequest = async (request) => {
    await sendInProcess(service, tenant.sender())(request);
    throw new Error('no answer');
  };
  await device('answered by nobody', silent).push([putNote('n1'), putNote('n2')], { atomic: true });
  const deaf = () => Promise.reject(new Error('no answer'));
  await device('heard by nobody', deaf).push([putNote('n3'), putNote('n4')], { atomic: true });
  devices = [];
  expect((await expectNothingLost(options())).counts).toMatchObject({ sent: 4, unknown: 4 });
});

test('an atomic batch that failed, and was then sent as any other', async () => {
  const one = device('one');
  const events = [putNote('n1'), patchNote('nowhere', { title: 'A' })];
  await one.push(events, { atomic: true });
  await one.push(events);
  expect((await expectNothingLost(options())).counts).toMatchObject({ sent: 2, acknowledged: 1 });
});

test('a puller whose table differs, with what each saw', async () => {
  const forgetful: SendRequest = async (request) => {
    const answer = await sendInProcess(service, tenant.sender())(request);
    const changes = answer.body.changes?.filter(
      ({ entityId }: { entityId: string }) => entityId !== 'n2',
    );
    return { ...answer, body: { ...answer.body, ...(changes && { changes }) } };
  };
  await device('one').push([putNote('n1'), putNote('n2', { title: 'B' })]);
  device('two', forgetful);
  const { violations, text, counts } = await check(options());
  expect(new Set(violations.map(({ kind }) => kind))).toEqual(new Set(['differs']));
  // It, and whoever goes on from where it once was.
  expect(counts.differing).toBe(2);
  const record = 'version 2 {"body":"","title":"B"}';
  expect(text).toContain(`DIFFERS note n2: two has nothing, where the server has ${record}`);
  expect(text).toContain(`  the model  ${record}`);
  expect(text).toContain('  one        version 2');
  expect(text).toContain('  two        nothing');
});

test('a feed that skips a version for those who were there before', async () => {
  const one = device('one');
  await one.push([putNote('n1'), putNote('n2')]);
  await one.catchUp();
  await one.push([putNote('n3')]);
  const skip = `UPDATE records SET version = 1 WHERE ${ofTenant} AND entity_id = 'n3'`;
  await service.sql(skip, [tenant.id]);
  const { text } = await check(options());
  expect(text).toMatch(/RECORD note n3: names key-\d+ as what made its version 1, which is key-/);
  expect(text).toMatch(/DIFFERS note n3: one again from 2 has nothing, where the server has/);
});

test('a page that is out of order, or short', async () => {
  const turned: SendRequest = async (request) => {
    const answer = await sendInProcess(service, tenant.sender())(request);
    const { changes } = answer.body;
    if (!changes) return answer;
    return { ...answer, body: { ...answer.body, changes: changes.toReversed() } };
  };
  const one = device('one', turned);
  await one.push([putNote('n2'), putNote('n1')]);
  await one.pull();
  expect(one.pageFaults).toEqual(['the page after 0, with limit 500, is not in the order of keys']);
  await one.push([putNote('n4'), putNote('n3')]);
  await one.pull();
  expect(one.pageFaults.slice(1)).toEqual([
    'the page after 2, with limit 500, is not in version order',
  ]);
  expect((await check(options())).text).toContain('PAGE one: the page after 0');
});

test('a record that is not what its events make it', async () => {
  const text = await saidAfter(
    `UPDATE records SET data = '{"title":"X","body":"C"}'
      WHERE ${ofTenant} AND entity_id = 'n1'`,
  );
  expect(text).toMatch(/RECORD note n1: is version 3 .*"X".* where the model has version 3 .*"A"/);
});

test('answers of what a restore took back bind nobody', async () => {
  const one = device('one');
  await one.push([putNote('n1')]);
  const late = putNote('n2');
  await one.push([late]);
  await one.catchUp();
  await cutHistory(service.sql, tenant.id, 1);
  history.recordRestore(1);
  await expectNothingLost(options());
  expect(one.expirations).toBe(1);
  await one.push([putNote('n3'), late]);
  await expectNothingLost(options());
});
