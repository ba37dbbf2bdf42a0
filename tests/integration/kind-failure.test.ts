import { createHash } from 'node:crypto';
import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

const brittlePut = defineKind({
  name: 'brittle.put',
  entityType: 'brittle',
  payload: payload(z.strictObject({ id: z.string(), size: z.number() })),
  entityId: ({ id }) => id,
  policy: put(({ size }) => {
    if (size > 1) throw new Error('this kind did not expect that');
    return { size };
  }),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, brittlePut] });
});
afterAll(() => service.close());

test('an event on which its kind throws fails alone, can be sent again, and is in the log', async () => {
  const answer = await service.push([
    { identityKey: 'k1', kind: 'brittle.put', payload: { id: 'a', size: 1 } },
    { identityKey: 'k2', kind: 'brittle.put', payload: { id: 'b', size: 2 } },
    { identityKey: 'k3', kind: 'note.put', payload: { noteId: 'n', title: '', body: '' } },
  ]);
  expect(answer.processed).toEqual(['k1', 'k3']);
  expect(answer.failed).toMatchObject([
    {
      identityKey: 'k2',
      code: 'KIND_FAILED',
      retryable: true,
      fault: 'server',
      retryAfterMs: 30_000,
    },
  ]);
  expect(JSON.stringify(answer)).not.toContain('did not expect');
  expect(service.logLines).toContainEqual(
    expect.objectContaining({
      ...{ event: 'kind.failed', kinds: { 'brittle.put': 1 }, kind: 'brittle.put', kindVersion: 1 },
      keyHash: createHash('sha256').update('k2').digest('hex').slice(0, 16),
      fault: { type: 'Error', stack: expect.stringContaining('kind-failure.test.ts') },
    }),
  );
});
