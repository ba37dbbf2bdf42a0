import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { auditOf } from '../testkit/app/audit.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { nextKey } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

const maxAnswerBytes = 40_000;
let service: TestApp;
beforeAll(async () => {
  service = await startApp({
    kinds: [...bundledKinds, ...documentKinds('doc')],
    env: { MAX_ANSWER_BYTES: `${maxAnswerBytes}` },
  });
});
afterAll(() => service.close());

const put = (id: string, fields: object, more: object = {}) => ({
  ...{ identityKey: nextKey(), kind: 'doc.put', payload: { id, fields }, ...more },
});
const bytesOf = (page: unknown) => Buffer.byteLength(JSON.stringify(page));

/** Reads all pages. @param read reads the page that follows: `next` is where the page before it ended */
async function pagesOf<Page>(
  read: (next: number | undefined) => Promise<Page>,
  nextOf: (page: Page) => number | null,
) {
  const pages: Page[] = [];
  for (let next: number | null | undefined; next !== null; ) {
    const page = await read(next);
    pages.push(page);
    next = nextOf(page);
  }
  return pages;
}

function conflictPagesOf(tenant: Tenant) {
  const audit = auditOf(tenant);
  return pagesOf(
    (after = 0) => audit.conflicts({ after, limit: 200 }),
    ({ nextAfter }) => nextAfter,
  );
}

test.each([
  ['compresses well', 'x'.repeat(10_000)],
  ['has three bytes per character', '\u{4E2D}'.repeat(3_333)],
])('a page of conflicts ends at MAX_ANSWER_BYTES, with data that %s', async (_what, text) => {
  const tenant = await createTenant(service);
  await tenant.push([put('d', { text })]);
  const keys = Array.from({ length: 9 }, () => nextKey());
  await tenant.push(
    keys.map((identityKey) => put('d', { small: 1 }, { identityKey, baseVersion: 0 })),
  );
  const pages = await conflictPagesOf(tenant);
  expect(pages.flatMap(({ conflicts }) => conflicts.map(({ identityKey }) => identityKey))).toEqual(
    keys,
  );
  expect(pages.map(({ conflicts }) => conflicts.length)).toEqual([3, 3, 3]);
  for (const page of pages) expect(bytesOf(page)).toBeLessThanOrEqual(maxAnswerBytes);
});

test('the payloads of conflicts count too, and a conflict that is larger than a page is alone on its page', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('d', {})]);
  for (const length of [10, 60_000, 10]) {
    await tenant.push([put('d', { text: 'x'.repeat(length) }, { baseVersion: 0 })]);
  }
  const pages = await conflictPagesOf(tenant);
  expect(pages.map(({ conflicts }) => conflicts.length)).toEqual([1, 1, 1]);
});

test('a page of a history ends at MAX_ANSWER_BYTES', async () => {
  const tenant = await createTenant(service);
  const keys = Array.from({ length: 9 }, () => nextKey());
  for (const [at, identityKey] of keys.entries()) {
    await tenant.push([put('d', { at, text: 'x'.repeat(10_000) }, { identityKey })]);
  }
  const audit = auditOf(tenant);
  const pages = await pagesOf(
    (before) => audit.history('doc', 'd', { ...(before && { before }), limit: 200 }),
    ({ nextBefore }) => nextBefore,
  );
  expect(pages.flatMap(({ events }) => events.map(({ identityKey }) => identityKey))).toEqual(
    keys.toReversed(),
  );
  expect(pages.map(({ events }) => events.length)).toEqual([3, 3, 3]);
  for (const page of pages) expect(bytesOf(page)).toBeLessThanOrEqual(maxAnswerBytes);
});

test('at most a hundred differing fields are named, in a push and in the list', async () => {
  const many = (value: number) =>
    Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`f${at}`, value]));
  const tenant = await createTenant(service);
  await tenant.push([put('d', many(1))]);
  const { failed } = await tenant.push([put('d', many(2), { baseVersion: 0 })]);
  const hundred = {
    differingFields: expect.toSatisfy((names) => names.length === 100),
    differingFieldsOmitted: 900,
  };
  expect(failed).toMatchObject([hundred]);
  expect((await auditOf(tenant).conflicts()).conflicts).toMatchObject([hundred]);
});
