import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

const wordSchema = z.strictObject({ id: z.string(), word: z.string() });
const wordsSchema = z.array(z.string());

const wordSaid = defineKind({
  name: 'story.word-said',
  entityType: 'story',
  payload: payload(wordSchema),
  entityId: ({ id }) => id,
  ordered: true,
  policy: append((before, { word }) => {
    if (word === 'unsayable') throw new Error('no such word');
    return { words: [...wordsSchema.parse(before?.words ?? []), word] };
  }),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [wordSaid] });
});
afterAll(() => service.close());

function say(sequence: number, word: string, rest: object = {}): SentEvent {
  const event = { kind: 'story.word-said', payload: { id: 's1', word } };
  return { identityKey: nextKey(), sequence, ...event, ...rest };
}

async function wordsOf(tenant: Tenant): Promise<unknown> {
  return (await tenant.record('s1'))?.data?.words;
}

test('facts are folded in the order of their numbers, in whatever order their batches arrive', async () => {
  const tenant = await createTenant(service);
  const [one, two, three] = [say(1, 'once'), say(2, 'upon'), say(3, 'a')];
  const { failed } = await tenant.push([three]);
  expect(failed).toMatchObject([{ code: 'SEQUENCE_GAP', retryable: true, path: 'sequence' }]);
  expect(await tenant.pushStatuses([two])).toEqual(['SEQUENCE_GAP']);
  expect(await tenant.pushStatuses([one])).toEqual(['applied']);
  expect(await tenant.pushStatuses([three])).toEqual(['SEQUENCE_GAP']);
  expect(await tenant.pushStatuses([two])).toEqual(['applied']);
  expect(await tenant.pushStatuses([three])).toEqual(['applied']);
  expect(await wordsOf(tenant)).toEqual(['once', 'upon', 'a']);
  expect(await tenant.head()).toBe(3);
});

test('a fact that closes a gap may come behind the one that met it, in the same batch', async () => {
  const tenant = await createTenant(service);
  const [one, two] = [say(1, 'once'), say(2, 'upon')];
  expect(await tenant.pushStatuses([two, one])).toEqual(['SEQUENCE_GAP', 'applied']);
  expect(await tenant.pushStatuses([two, one])).toEqual(['applied', 'duplicate of applied']);
  expect(await wordsOf(tenant)).toEqual(['once', 'upon']);
});

test('a number that was taken is a conflict of sequence, which nothing of is stored or folded', async () => {
  const tenant = await createTenant(service);
  await tenant.push([say(1, 'once'), say(2, 'upon')]);
  const { failed } = await tenant.push([say(2, 'twice'), say(3, 'a')]);
  expect(failed).toMatchObject([{ code: 'SEQUENCE_CONFLICT', retryable: false, path: 'sequence' }]);
  expect(await wordsOf(tenant)).toEqual(['once', 'upon', 'a']);
  expect(await tenant.head()).toBe(3);
});

test('a fact on which reduce throws leaves its number to be taken', async () => {
  const tenant = await createTenant(service);
  const said = await tenant.pushStatuses([say(1, 'once'), say(2, 'unsayable'), say(3, 'a')]);
  expect(said).toEqual(['applied', 'KIND_FAILED', 'BLOCKED']);
  expect(await tenant.pushStatuses([say(2, 'upon'), say(3, 'a')])).toEqual(['applied', 'applied']);
  expect(await wordsOf(tenant)).toEqual(['once', 'upon', 'a']);
});

test('a fact that is sent again is a duplicate, and no conflict with itself', async () => {
  const tenant = await createTenant(service);
  const [one, two] = [say(1, 'once'), say(2, 'upon')];
  await tenant.push([one, two]);
  expect(await tenant.pushStatuses([one, two])).toEqual(Array(2).fill('duplicate of applied'));
  expect(await wordsOf(tenant)).toEqual(['once', 'upon']);
});

test('of two registers that number alike at once, one is folded and the other is told', async () => {
  const tenant = await createTenant(service);
  await tenant.push([say(1, 'once')]);
  const both = await Promise.all([
    tenant.pushStatuses([say(2, 'same')], {}, 'left'),
    tenant.pushStatuses([say(2, 'same')], {}, 'right'),
  ]);
  expect(both.flat().toSorted()).toEqual(['SEQUENCE_CONFLICT', 'applied']);
  expect(await wordsOf(tenant)).toEqual(['once', 'same']);
});
