import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { append } from '../../src/domain/kinds/policies/append.ts';
import { put as putPolicy } from '../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { startApp, type TestApp, type TestRequest } from '../testkit/app/test-app.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { openConnection } from '../testkit/network/raw-connection.ts';

/** A client text that no log line may contain. */
const marked = 'MARKED';
/** The maximum length of a log line. */
const maxLineLength = 8_192;

const anything = payload(z.looseObject({ id: z.string() }));

/** Kinds whose errors quote their input. */
const quoting = [
  defineKind({
    ...{ name: 'quoting.id', entityType: 'quoting-id', payload: anything },
    entityId: ({ id }) => {
      throw new Error(`no id: ${id}`);
    },
    policy: putPolicy(() => ({})),
  }),
  defineKind({
    ...{ name: 'quoting.fold', entityType: 'quoting-fold', payload: anything },
    entityId: ({ id }) => id,
    policy: append((_before, fact) => {
      const error = new TypeError(`no fact: ${JSON.stringify(fact)}\n    at ${fact.id} (a.ts:1:1)`);
      throw Object.assign(error, { name: fact.id, code: fact.id, cause: new Error(fact.id) });
    }),
  }),
  defineKind({
    ...{ name: 'quoting.zod', entityType: 'quoting-zod', payload: anything },
    entityId: ({ id }) => id,
    policy: append((_before, fact) => z.strictObject({ id: z.literal('x') }).parse(fact) && {}),
  }),
  defineKind({
    ...{ name: 'quoting.parse', entityType: 'quoting-parse', payload: anything },
    entityId: ({ id }) => id,
    policy: append((_before, { id }) => JSON.parse(id)),
  }),
  defineKind({
    ...{ name: 'quoting.text', entityType: 'quoting-text', payload: anything },
    entityId: ({ id }) => id,
    policy: append((_before, { id }) => {
      // oxlint-disable-next-line typescript/only-throw-error -- a kind in plain JavaScript can do this
      throw id;
    }),
  }),
  defineKind({
    ...{ name: 'quoting.foreign', entityType: 'quoting-foreign', payload: anything },
    entityId: ({ id }) => id,
    policy: append((_before, { id }) => ({ [id]: undefined }) as never),
  }),
];

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...quoting] });
});
afterAll(() => service.close());

let before = 0;
beforeEach(() => {
  before = service.logLines.length;
});
const sender = { tenant: marked, device: marked, subject: marked };
const lines = () => service.logLines.slice(before);
const send = (request: TestRequest) => service.request({ ...request, sender });
const push = (...events: readonly unknown[]) =>
  send({ method: 'POST', url: '/api/sync/events', body: { events } });

/** Waits for the lines of so many requests. Returns the lines that contain the client text or are too long. */
async function badLines(requestCount: number): Promise<readonly string[]> {
  const requestLines = () => lines().filter(({ event }) => event === 'request').length;
  await expect.poll(requestLines).toBe(requestCount);
  const texts = lines().map((line) => JSON.stringify(line));
  return texts.filter((text) => text.includes(marked) || text.length > maxLineLength);
}

const long = marked.repeat(1_000);
/** A text that makes an event nearly as large as allowed. */
const longest = marked.repeat(10_000);

test('no log line contains a text of an event', async () => {
  const event = { identityKey: marked, kind: 'note.put', payload: putNote(marked).payload };
  const conflict = putNote(marked, { title: marked }, { baseVersion: 0 });
  await push(
    putNote(marked, { title: marked, body: long }),
    conflict,
    putNote(marked, { body: longest }, { occurredAt: '1990-01-01T00:00:00Z' }),
    { ...event, identityKey: long },
    { ...event, identityKey: { [marked]: marked } },
    { ...event, kind: marked },
    { ...event, kind: `${marked}.put` },
    { ...event, version: marked },
    { ...event, [marked]: marked },
    { ...event, baseKey: marked, identityKey: `${marked}2` },
    { ...event, occurredAt: marked },
    { ...event, payload: { ...event.payload, [long]: marked } },
    { ...event, payload: marked },
    marked,
    { [marked]: marked },
  );
  await send({
    method: 'POST',
    url: '/api/sync/events',
    body: [{ kind: marked, payload: marked }],
  });
  await send({ method: 'POST', url: '/api/events', body: [{ id: marked, type: marked }] });
  await send({
    ...{ method: 'POST', url: `/api/sync/conflicts/${conflict.identityKey}/resolution` },
    body: { resolution: 'merge', payload: { [marked]: marked } },
  });
  expect(await badLines(4)).toEqual([]);
});

test.each(quoting.map(({ name }) => name))(
  'the errors of %s in one batch are one log line without client text',
  async (kind) => {
    const many = Array.from({ length: 200 }, (_, index) => ({
      ...{ identityKey: `${marked}-${kind}-${index}`, kind },
      payload: { id: `${marked}${index}`, [marked]: marked, text: long.slice(0, 300) },
    }));
    const { body } = await push(...many);
    expect(body.failed).toHaveLength(many.length);
    expect(await badLines(1)).toEqual([]);
    const failed = lines().filter(({ event }) => event === 'kind.failed');
    expect(failed).toEqual([expect.objectContaining({ kind, kinds: { [kind]: many.length } })]);
  },
);

test('a record that grows too large, and unusual field names, are not in the log', async () => {
  const id = marked.repeat(33);
  const customer = (data: object, resourceVersion: number) => ({
    ...{ identityKey: `${marked}${crypto.randomUUID()}`, kind: 'resource.put' },
    payload: { resourceType: 'Customer', resourceId: 'c1', resourceVersion, data },
  });
  await push(customer({ [longest.slice(0, 50_000)]: [1] }, 0));
  await push(customer({ [longest.slice(0, 50_000)]: marked }, 0));
  const item = (index: number) => ({
    ...{ identityKey: `${marked}i${index}`, kind: 'ticket.item-added', sequence: index },
    payload: {
      ticketId: id,
      sku: `${index}`.padEnd(190, 's'),
      name: 'n'.repeat(200),
      quantity: 1,
      unitCents: 1,
    },
  });
  for (let from = 1; from < 400; from += 100) {
    await push(...Array.from({ length: 100 }, (_, index) => item(from + index)));
  }
  expect(await badLines(6)).toEqual([]);
  expect(lines().some(({ event }) => event === 'kind.failed')).toBe(true);
});

test('no log line contains a text of a URL, of a query or of a header', async () => {
  const headers = {
    ...{ 'user-agent': marked, 'x-request-id': marked, traceparent: marked, cookie: marked },
    ...{ 'x-forwarded-for': marked, 'if-none-match': marked, [marked]: marked, origin: marked },
  };
  const urls = [
    `/api/sync/changes?since=${marked}`,
    `/api/sync/changes?${marked}=${marked}`,
    `/api/sync/changes?entityTypes=${marked}`,
    `/api/sync/conflicts?entityId=${marked}`,
    `/api/sync/conflicts/${marked}`,
    `/api/sync/entities/note/${marked}/events`,
    `/api/sync/receipts?identityKeys=${marked}`,
    `/docs/${marked}`,
    `/${marked}`,
    `/%${marked}`,
    `/${marked.repeat(500)}`,
  ];
  for (const url of urls) await send({ url, headers });
  await send({ url: urls[0] ?? '', headers: { authorization: `Bearer ${marked}.${marked}.x` } });
  await send({
    ...{ method: 'POST', url: '/api/sync/events', body: `{"${marked}": ${marked}` },
    headers: { 'content-type': `application/json; charset=${marked}` },
  });
  await send({
    ...{ method: 'POST', url: '/api/sync/events', body: marked },
    headers: { 'content-type': `text/${marked}`, 'content-encoding': marked },
  });
  // The URL that cannot be decoded is refused before Fastify finds a route, and has no line.
  expect(await badLines(urls.length + 2)).toEqual([]);
});

test('no log line contains a text of invalid HTTP', async () => {
  const port = await listenOnFreePort(service.app);
  for (const text of [
    `${marked}\r\n\r\n`,
    `GET / ${marked}\r\n\r\n`,
    `GET /${marked} HTTP/1.1\r\n${marked}\r\n\r\n`,
  ]) {
    const connection = await openConnection(port);
    connection.write(text);
    await connection.answer();
    connection.reset();
  }
  expect(lines().filter(({ event }) => event === 'connection.refused')).toHaveLength(3);
  expect(JSON.stringify(lines())).not.toContain(marked);
});
