import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { accept, decide, putRecord, reject } from '../../src/domain/kinds/policies/decide.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import {
  nextKey,
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../testkit/events/sent-events.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { createTenant, statusesOf, type Tenant } from '../testkit/app/tenant.ts';
import { startAppPair, type TestAppPair } from '../testkit/app/test-app-pair.ts';
import type { TestApp } from '../testkit/app/test-app.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { sentStatements, type SentStatement } from '../testkit/postgres/sent-statements.ts';
import { createRandom } from '../testkit/workload/random.ts';

// A push looks up the keys of its events only for tenants that have sent stored events again in the last minute. These
// tests send stored events for other tenants.

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
/** A seat can be taken once. Its kind fails on what is broken. */
const seatTake = defineKind({
  name: 'seat.take',
  entityType: 'seat',
  payload: payload(z.strictObject({ id: z.string(), broken: z.boolean() })),
  entityId: ({ id }) => id,
  policy: decide({
    reads: () => [],
    decide({ id, broken }, records) {
      if (broken) throw new Error('broken');
      return records.find('seat', id)
        ? reject('TAKEN', `${id} is taken`)
        : accept(putRecord({ entityType: 'seat', entityId: id }, { taken: true }));
    },
  }),
  failures: {
    TAKEN: { retryable: false, cause: 'The seat is taken.', remedy: 'Take another.' },
  },
});
const kinds = [...bundledKinds, ...documentKinds('step', true), seatTake];

let pair: TestAppPair;
let first: TestApp;
/** The app of another process, which has not seen the tenant of the test before. */
let second: TestApp;
let tenant: Tenant;
beforeAll(async () => {
  pair = await startAppPair({ kinds });
  [first, second] = pair.services;
});
afterAll(() => pair.close());
beforeEach(async () => {
  tenant = await createTenant(first);
});

const countOf = (sent: readonly SentStatement[], pattern: RegExp) =>
  sent.filter(({ text }) => pattern.test(text)).length;
const isInsertOfEvents = /^\s*INSERT INTO events /;
const isLookUpOfKeys = /wanted\.key_hash/;

const storedKeys = async () => (await tenant.log()).map(({ identityKey }) => identityKey);
const keysOf = (events: readonly SentEvent[]) => events.map(({ identityKey }) => identityKey);

/** The answers, whichever process has given them. */
const inOrder = (answers: readonly string[][]) =>
  answers.toSorted((one, other) => (one.join() < other.join() ? -1 : 1));

/** Sends requests that all wait for the tenant's lock, and then go on together. */
async function atOnce<Answer>(requests: readonly (() => Promise<Answer>)[]): Promise<Answer[]> {
  return withClient(first.database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant.id]);
    const answers = Promise.all(requests.map((send) => send()));
    const waiting = `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await expect
      .poll(async () => (await client.query(waiting)).rowCount, { interval: 10, timeout: 10_000 })
      .toBe(requests.length);
    await client.query('COMMIT');
    return answers;
  });
}

describe('a batch that two processes get at the same moment', () => {
  test('is stored once: one answer says applied, and the other says duplicate, after a retry', async () => {
    const events = [
      putNote('n1'),
      patchNote('n1', { title: 'B' }),
      putNote('n2'),
      removeNote('n2'),
    ];
    let statuses: string[][] = [];
    const sent = await sentStatements(async () => {
      const pushes = [first, second].map((app) => () => tenant.pushTo(app, events, {}, 'd1'));
      statuses = (await atOnce(pushes)).map(statusesOf);
    });
    const applied = events.map(() => 'applied');
    const duplicates = events.map(() => 'duplicate of applied');
    expect(inOrder(statuses)).toEqual([applied, duplicates]);
    expect(await storedKeys()).toEqual(keysOf(events));
    // The database refuses the second insertion. The transaction then runs again, and looks up the keys.
    expect(countOf(sent, isInsertOfEvents)).toBe(2);
    expect(countOf(sent, /^ROLLBACK$/)).toBe(1);
    expect(countOf(sent, isLookUpOfKeys)).toBe(1);
    await expectNothingLost(tenant.checkOptions);
  });

  test('an atomic one too', async () => {
    const events = [putNote('n1'), putNote('n2')];
    const pushes = [first, second].map(
      (app) => () => tenant.pushTo(app, events, { atomic: true }, 'd1'),
    );
    const answers = await atOnce(pushes);
    expect(inOrder(answers.map(statusesOf))).toEqual([
      ['applied', 'applied'],
      ['duplicate of applied', 'duplicate of applied'],
    ]);
    for (const { processed, failed } of answers) {
      expect([processed, failed]).toEqual([keysOf(events), []]);
    }
    expect(await storedKeys()).toEqual(keysOf(events));
    await expectNothingLost(tenant.checkOptions);
  });

  test(`each event of overlapping batches is new in one answer (SEED=${seed})`, async () => {
    const random = createRandom(seed, 'overlapping batches');
    const events = Array.from({ length: 30 }, (_, at) => putNote(`n${at % 7}`, { title: `${at}` }));
    for (let round = 0; round < 10; round += 1) {
      const from = random.int(0, 15);
      const part = events.slice(from, from + random.int(1, 15));
      const batches = [part, random.chance(0.5) ? part.toReversed() : part];
      const apps = [first, second];
      await Promise.all(
        batches.map((batch, at) => tenant.pushTo(apps[at] ?? first, batch, {}, `d${at}`)),
      );
    }
    const keys = await storedKeys();
    expect(new Set(keys).size).toBe(keys.length);
    // Also that no event was answered as new twice.
    await expectNothingLost(tenant.checkOptions);
  });
});

test('in the first batch that a process gets of a tenant, a stored event is a duplicate, and the new ones around it are stored', async () => {
  const stored = putNote('n1', { title: 'A' });
  await tenant.push([stored], {}, 'd1');
  const events = [putNote('n2'), stored, patchNote('n1', { title: 'B' }), putNote('n3')];
  const answer = await tenant.pushTo(second, events, {}, 'd1');
  expect(statusesOf(answer)).toEqual(['applied', 'duplicate of applied', 'applied', 'applied']);
  expect(answer.results?.map(({ version }) => version)).toEqual([2, 1, 3, 4]);
  expect(answer.processed).toEqual(keysOf(events));
  expect(await storedKeys()).toEqual(
    [stored, events[0], events[2], events[3]].map((event) => event?.identityKey),
  );
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'B' });
  await expectNothingLost(tenant.checkOptions);
});

test('the keys of a tenant that has sent stored events again are looked up at once from then on', async () => {
  const stored = putNote('n1');
  await tenant.push([stored]);
  const resend = () => tenant.pushTo(second, [stored, putNote('n2')]);
  const unknown = await sentStatements(resend);
  expect([isInsertOfEvents, isLookUpOfKeys].map((one) => countOf(unknown, one))).toEqual([2, 1]);
  const known = await sentStatements(resend);
  expect([isInsertOfEvents, isLookUpOfKeys].map((one) => countOf(known, one))).toEqual([1, 1]);
  expect(countOf(known, /^ROLLBACK$/)).toBe(0);
});

test('the keys of a batch without stored events are not looked up, unless one is refused', async () => {
  const batches = [[putNote('n1')], [patchNote('nowhere', { title: 'A' }), putNote('n2')]];
  const lookUps: number[] = [];
  for (const batch of batches) {
    const sent = await sentStatements(() => tenant.push(batch));
    expect(countOf(sent, isInsertOfEvents)).toBe(1);
    lookUps.push(countOf(sent, isLookUpOfKeys));
  }
  expect(lookUps).toEqual([0, 1]);
});

function step(sequence: number): SentEvent {
  const fields = { sequence };
  return { identityKey: nextKey(), kind: 'step.put', sequence, payload: { id: 's1', fields } };
}

const takeSeat = (broken = false): SentEvent => ({
  ...{ identityKey: nextKey(), kind: 'seat.take', payload: { id: 's1', broken } },
});

interface Resend {
  readonly what: string;
  /** What the answer would be if it had another key. */
  readonly ifNew: string;
  /** Batches that are stored, the resent event in the first. */
  readonly stored: (resent: SentEvent) => readonly (readonly SentEvent[])[];
  readonly resent: () => SentEvent;
  /** Events before it in the batch with which it is sent again, with their answers. */
  readonly behind?: readonly (readonly [event: SentEvent, status: string])[];
}

const base = putNote('n1', { title: 'base' });

const resends: readonly Resend[] = [
  {
    what: 'of an ordered kind, whose number is taken',
    ifNew: 'SEQUENCE_CONFLICT',
    resent: () => step(1),
    stored: (resent) => [[resent], [step(2), step(3)]],
  },
  {
    what: 'with a base version that is not the newest',
    ifNew: 'CONFLICT',
    resent: () => putNote('n1', { title: 'A' }, { baseVersion: 1 }),
    stored: (resent) => [[putNote('n1'), resent], [putNote('n1', { title: 'B' })]],
  },
  {
    what: 'with a base key that is not the newest',
    ifNew: 'CONFLICT',
    resent: () => putNote('n1', { title: 'A' }, { baseKey: base.identityKey }),
    stored: (resent) => [[base, resent], [putNote('n1', { title: 'B' })]],
  },
  {
    what: 'that its kind would reject now',
    ifNew: 'TAKEN',
    resent: () => takeSeat(),
    stored: (resent) => [[resent]],
  },
  {
    what: 'behind an event of its entity that has to wait',
    ifNew: 'BLOCKED',
    resent: () => takeSeat(),
    stored: (resent) => [[resent]],
    behind: [[takeSeat(true), 'KIND_FAILED']],
  },
];

describe.each([
  ['the process that stored it', () => first],
  ['another process', () => second],
])('a stored event that is sent again to %s is a duplicate:', (_which, appOf) => {
  test.each(resends)('an event $what', async ({ resent: make, stored, behind = [], ifNew }) => {
    const resent = make();
    for (const batch of stored(resent)) {
      const statuses = await tenant.pushStatuses(batch, {}, 'd1');
      expect(statuses).toEqual(batch.map(() => 'applied'));
    }
    const log = await tenant.log();
    const batch = [...behind.map(([event]) => event), resent];
    const expected = [...behind.map(([, status]) => status), 'duplicate of applied'];
    expect(statusesOf(await tenant.pushTo(appOf(), batch, {}, 'd1'))).toEqual(expected);
    expect(await tenant.log()).toEqual(log);
    const fresh = { ...resent, identityKey: nextKey() };
    const withFresh = [...behind.map(([event]) => event), fresh];
    const answer = await tenant.pushTo(appOf(), withFresh, {}, 'd2');
    expect(statusesOf(answer).at(-1)).toBe(ifNew);
  });

  test('an event that was stored as a conflict is answered as that conflict, and stored once', async () => {
    const conflict = putNote('n1', { title: 'A' }, { baseVersion: 0 });
    expect(await tenant.pushStatuses([putNote('n1'), conflict], {}, 'd1')).toEqual([
      'applied',
      'CONFLICT',
    ]);
    const log = await tenant.log();
    const { failed } = await tenant.pushTo(appOf(), [conflict, putNote('n2')], {}, 'd1');
    expect(failed).toMatchObject([{ identityKey: conflict.identityKey, code: 'CONFLICT' }]);
    expect((await tenant.log()).slice(0, 2)).toEqual(log);
    expect(await tenant.head()).toBe(3);
  });

  test('an atomic batch with it is stored', async () => {
    const [resent, later] = [step(1), step(2)];
    await tenant.push([resent], {}, 'd1');
    const answer = await tenant.pushTo(appOf(), [resent, later], { atomic: true }, 'd1');
    expect(statusesOf(answer)).toEqual(['duplicate of applied', 'applied']);
    expect(await storedKeys()).toEqual(keysOf([resent, later]));
  });

  test('another event under its key is refused', async () => {
    const stored = putNote('n1', { title: 'A' });
    await tenant.push([stored]);
    const other = { ...stored, payload: putNote('n1', { title: 'B' }).payload };
    const answer = await tenant.pushTo(appOf(), [putNote('n2'), other]);
    expect(statusesOf(answer)).toEqual(['applied', 'IDENTITY_KEY_REUSED']);
    expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'A' });
  });
});
