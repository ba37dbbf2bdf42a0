import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { nextKey } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const lineAdded = defineKind({
  name: 'journal.line-added',
  entityType: 'journal',
  payload: payload(z.strictObject({ id: z.string(), text: z.string() })),
  entityId: ({ id }) => id,
  policy: append((before, { text }) => ({ text: z.string().parse(before?.text ?? '') + text })),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [lineAdded], env: { MAX_EVENT_BYTES: '1000' } });
});
afterAll(() => service.close());

/** tests/unit/kind-bounds.test.ts has the other ways to grow. */
test('a record has at most twice as many characters as MAX_EVENT_BYTES, and the log names the kind that failed', async () => {
  const tenant = await createTenant(service);
  const add = (length: number) => ({
    ...{ identityKey: nextKey(), kind: 'journal.line-added' },
    payload: { id: 'a', text: 'x'.repeat(length) },
  });
  // The JSON around the text has 11 characters.
  const events = [add(850), add(850), add(289), add(1)];
  expect(await tenant.pushStatuses(events)).toEqual([
    ...['applied', 'applied', 'applied', 'KIND_FAILED'],
  ]);
  expect(await tenant.head()).toBe(3);
  const failures = service.logLines.filter(({ event }) => event === 'kind.failed');
  expect(failures).toMatchObject([
    { kind: 'journal.line-added', fault: { stack: expect.stringContaining('refuseGrowth') } },
  ]);
});
