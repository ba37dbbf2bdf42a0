import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pushAnswerSchema } from '../../../src/protocol/push.ts';
import { salesPushAnswerSchema } from '../../../src/systems/sales/dialect.ts';
import { propertyOptions } from '../../testkit/events/random-writes.ts';
import { expectProblem } from '../../testkit/app/expect-problem.ts';
import { createTenant, expectExactShape } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';
import { almostEvents } from '../../unit/support/dialect-events.ts';
import { fc } from '../../unit/support/property.ts';

const maxEvents = 12;

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env: { MAX_BATCH_EVENTS: `${maxEvents}` } });
});
afterAll(() => service.close());

const note = { noteId: 'n1', title: '', body: '' };
const aggregate = { id: 't1', type: 'ticket' };

/** Where it is sent, how a batch is written, and an event of it that is always taken. */
const dialects = [
  {
    name: 'colony',
    url: '/api/sync/events',
    bodyOf: (events: readonly unknown[]): object => events,
    almost: almostEvents.colony,
    schema: pushAnswerSchema,
    good: (key: string): object => ({ kind: 'note.put', payload: { ...note, identityKey: key } }),
  },
  {
    name: 'freight',
    url: '/api/sync/events',
    bodyOf: (events: readonly unknown[]): object => ({ events }),
    almost: almostEvents.freight,
    schema: pushAnswerSchema,
    good: (key: string): object => ({ clientRequestId: key, kind: 'note.put', payload: note }),
  },
  {
    name: 'sales',
    url: '/api/events',
    bodyOf: (events: readonly unknown[]): object => events,
    almost: almostEvents.sales,
    schema: salesPushAnswerSchema,
    good: (id: string): object => ({
      ...{ id, seq: 1, at: 0, type: 'ticket.opened', aggregate },
      payload: { register: 'r1' },
    }),
  },
] as const;

describe.each(dialects)('$name', ({ name, url, bodyOf, almost, schema, good }) => {
  test('the line of the log names it, also where the request is refused', async () => {
    const [logged, query] = [service.logLines.length, '?include=nothing'];
    for (const of of [url, url + query]) {
      await service.request({ method: 'POST', url: of, body: bodyOf([good('k1')]) });
    }
    const named = () => service.logLines.slice(logged).filter((line) => line.dialect === name);
    await expect.poll(() => named().map(({ status }) => status)).toEqual([200, 400]);
  });

  test('whatever is in a batch is answered once, and a good event among it is taken', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(almost, { maxLength: maxEvents - 1 }), async (events) => {
        const tenant = await createTenant(service);
        const text = JSON.stringify(bodyOf([good('good'), ...events]));
        // Refused as a whole, whatever the dialect: the JSON sets a prototype.
        fc.pre(!/"(__proto__|prototype)"/.test(text));
        const sender = tenant.sender();
        const answer = await service.request({ method: 'POST', url, body: text, sender });
        expect(answer.status).toBe(200);
        const { processed, failed } = expectExactShape(schema, answer.body);
        expect(processed[0]).toBe('good');
        expect(processed.length + failed.length).toBe(1 + events.length);
      }),
      propertyOptions(40),
    );
  });
});

test('the path of sales needs the scope to push', async () => {
  const sender = { scope: 'sync:pull' };
  const answer = await service.request({ method: 'POST', url: '/api/events', body: [], sender });
  expect(expectProblem(answer)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
});

test('the line of a plain push names no dialect', async () => {
  const logged = service.logLines.length;
  await service.push([{ identityKey: 'k', kind: 'note.put', payload: note }]);
  const lines = () => service.logLines.slice(logged).filter(({ event }) => event === 'request');
  await expect.poll(() => lines().length).toBe(1);
  expect(lines()[0]).not.toHaveProperty('dialect');
});
