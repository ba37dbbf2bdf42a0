import { expect } from 'vitest';
import { type PushAnswer, pushAnswerSchema } from '../../src/protocol/push.ts';
import { createTenant, expectShape, type Tenant } from '../testkit/oracle/tenant.ts';
import type { Wire } from '../testkit/wire.ts';
import { pushOf } from './refused.ts';

/** Pushes events as JSON text, so that they may hold what JSON.stringify would not write. */
export async function pushTexts(
  wire: Wire,
  tenant: Tenant,
  ...events: readonly string[]
): Promise<PushAnswer> {
  const request = pushOf(`{"events":[${events.join(',')}]}`);
  const url = `${request.url}?include=results`;
  const { status, body } = await wire.send({ ...request, url, sender: tenant.sender() });
  expect(status).toBe(200);
  return expectShape(pushAnswerSchema, body);
}

/** How an event failed, while the one behind it, of another type, was stored, alone. */
export async function failureOf(wire: Wire, event: string) {
  const tenant = await createTenant(wire.service);
  const another =
    '{"identityKey":"good","kind":"resource.put","payload":{"resourceType":"A","resourceId":"a","resourceVersion":0,"data":{}}}';
  const answer = await pushTexts(wire, tenant, event, another);
  expect(answer.processed).toEqual(['good']);
  expect(await tenant.log()).toMatchObject([{ identityKey: 'good' }]);
  const { code, path, retryable } = answer.failed[0] ?? {};
  return { code, path, retryable };
}

/** What a new tenant's first event came to. */
export async function statusOf(wire: Wire, event: string): Promise<string | undefined> {
  const { results } = await pushTexts(wire, await createTenant(wire.service), event);
  return results?.map(({ status, clockAdjusted }) => (clockAdjusted ? 'adjusted' : status))[0];
}

/** A failure that may end once the server is mended. */
export const untilMended = (code: string, path?: string) => ({ code, path, retryable: true });

/** A failure that stays one however often the event is sent. */
export const final = (code: string, path?: string) => ({ code, path, retryable: false });

export const note = (title: string, rest = '') =>
  `{"identityKey":"k","kind":"note.put","payload":{"noteId":"n1","title":${title},"body":""}${rest}}`;
export const doc = (fields: string) =>
  `{"identityKey":"k","kind":"doc.put","payload":{"id":"d1","fields":${fields}}}`;
export const key = (identityKey: string) =>
  `{"identityKey":${identityKey},"kind":"note.put","payload":{"noteId":"n1","title":"","body":""}}`;
export const at = (occurredAt: string) => note('""', `,"occurredAt":${occurredAt}`);
export const ofKind = (kind: string, payload: string) =>
  `{"identityKey":"k","kind":${kind},"payload":${payload}}`;
