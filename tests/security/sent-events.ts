import { expect } from 'vitest';
import { type PushAnswer, pushAnswerSchema } from '../../src/protocol/push.ts';
import { createTenant, expectExactShape, type Tenant } from '../testkit/app/tenant.ts';
import type { ListeningApp } from '../testkit/app/listening-app.ts';
import { pushOf } from './refused.ts';

/** Pushes events as JSON text, which can contain more than JSON.stringify would write. */
export async function pushTexts(
  wire: ListeningApp,
  tenant: Tenant,
  ...events: readonly string[]
): Promise<PushAnswer> {
  const request = pushOf(`{"events":[${events.join(',')}]}`);
  const url = `${request.url}?include=results`;
  const { status, body } = await wire.send({ ...request, url, sender: tenant.sender() });
  expect(status).toBe(200);
  return expectExactShape(pushAnswerSchema, body);
}

/** Pushes an event that must fail, followed by a valid one. Checks that only the valid one is stored. */
export async function failureOf(wire: ListeningApp, event: string) {
  const tenant = await createTenant(wire.service);
  const validEvent =
    '{"identityKey":"good","kind":"resource.put","payload":{"resourceType":"A","resourceId":"a","resourceVersion":0,"data":{}}}';
  const answer = await pushTexts(wire, tenant, event, validEvent);
  expect(answer.processed).toEqual(['good']);
  expect(await tenant.log()).toMatchObject([{ identityKey: 'good' }]);
  const { code, path, retryable } = answer.failed[0] ?? {};
  return { code, path, retryable };
}

/** The status of an event that a new tenant pushes. */
export async function statusOf(wire: ListeningApp, event: string): Promise<string | undefined> {
  const { results } = await pushTexts(wire, await createTenant(wire.service), event);
  return results?.map(({ status, clockAdjusted }) => (clockAdjusted ? 'adjusted' : status))[0];
}

/** A failure that a correction of the server can end. */
export const retryableFailure = (code: string, path?: string) => ({ code, path, retryable: true });

/** A failure that no resend can end. */
export const finalFailure = (code: string, path?: string) => ({ code, path, retryable: false });

export const note = (title: string, rest = '') =>
  `{"identityKey":"k","kind":"note.put","payload":{"noteId":"n1","title":${title},"body":""}${rest}}`;
export const doc = (fields: string) =>
  `{"identityKey":"k","kind":"doc.put","payload":{"id":"d1","fields":${fields}}}`;
export const key = (identityKey: string) =>
  `{"identityKey":${identityKey},"kind":"note.put","payload":{"noteId":"n1","title":"","body":""}}`;
export const at = (occurredAt: string) => note('""', `,"occurredAt":${occurredAt}`);
export const ofKind = (kind: string, payload: string) =>
  `{"identityKey":"k","kind":${kind},"payload":${payload}}`;
