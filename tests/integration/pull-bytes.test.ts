import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { nextKey, putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

const maxAnswerBytes = 21_000;
let service: TestApp;
beforeAll(async () => {
  service = await startApp({
    kinds: [...bundledKinds, ...documentKinds('doc')],
    env: { MAX_ANSWER_BYTES: `${maxAnswerBytes}` },
  });
});
afterAll(() => service.close());

/** Texts with this number of bytes in JSON. They compress differently. */
const texts: Record<string, (bytes: number) => string> = {
  'that compress well': (bytes) => 'x'.repeat(bytes),
  'with three bytes per character': (bytes) => '\u{4E2D}'.repeat(bytes / 3),
  'that compress badly': (bytes) =>
    Array.from({ length: bytes }, () =>
      String.fromCharCode(97 + Math.floor(Math.random() * 26)),
    ).join(''),
};

const doc = (id: string, text: string) => ({
  ...{ identityKey: nextKey(), kind: 'doc.put', payload: { id, fields: { text } } },
});

async function pagesOf(tenant: Tenant, query: { entityTypes?: string; since?: string } = {}) {
  const pages = [await tenant.pull({ limit: 1000, ...query })];
  for (let last = pages[0]; last?.hasMore; last = pages.at(-1)) {
    pages.push(await tenant.pull({ limit: 1000, ...query, since: last.checkpoint }));
  }
  return pages;
}
const idsOf = (pages: { changes: { entityId: string }[] }[]) =>
  pages.flatMap(({ changes }) => changes.map(({ entityId }) => entityId));
const bytesOf = (page: unknown) => Buffer.byteLength(JSON.stringify(page));

test.each(Object.entries(texts))(
  'a page ends at MAX_ANSWER_BYTES with hasMore: records %s',
  async (_what, textOf) => {
    const tenant = await createTenant(service);
    // The order of their ids is also that of their versions. Between the long records are short ones.
    const all = Array.from({ length: 12 }, (_, at) => `d${at + 10}`);
    for (const id of all) await tenant.push([doc(id, textOf(6_000)), doc(`${id}-short`, '')]);
    const expected = all.flatMap((id) => [id, `${id}-short`]);
    const pages = await pagesOf(tenant);
    expect(idsOf(pages)).toEqual(expected);
    expect(pages.map(({ changes }) => changes.length)).toEqual([6, 6, 6, 6]);
    for (const page of pages) expect(bytesOf(page)).toBeLessThanOrEqual(maxAnswerBytes + 1_000);
    expect(pages.map(({ hasMore }) => hasMore)).toEqual([true, true, true, false]);
    expect(idsOf(await pagesOf(tenant, { since: tenant.start }))).toEqual(expected);
  },
);

test('a record that is larger than a page is alone on its page, and the next ones follow', async () => {
  const tenant = await createTenant(service);
  await tenant.push([doc('d1', ''), doc('d2', 'x'.repeat(40_000)), doc('d3', '')]);
  for (const query of [{}, { since: tenant.start }]) {
    const pages = await pagesOf(tenant, query);
    expect(pages.map((page) => idsOf([page]))).toEqual([['d1'], ['d2'], ['d3']]);
  }
});

test('a page ends at MAX_ANSWER_BYTES also after the filter has grown', async () => {
  const tenant = await createTenant(service);
  for (let at = 0; at < 6; at += 1) await tenant.push([doc(`d${at}`, 'x'.repeat(6_000))]);
  const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
  for (let at = 0; at < 3; at += 1)
    await tenant.push([putNote(`n${at}`, { body: 'y'.repeat(6_000) })]);
  const pages = await pagesOf(tenant, { since: checkpoint, entityTypes: 'doc,note' });
  expect(pages.map(({ changes }) => changes.length)).toEqual([3, 3, 3]);
  expect(idsOf(pages)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4', 'd5', 'n0', 'n1', 'n2']);
});
