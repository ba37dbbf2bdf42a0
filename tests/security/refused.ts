import { expect } from 'vitest';
import type { Problem } from '../../src/protocol/problem.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import type { TestAnswer } from '../testkit/app/test-app.ts';
import type { ListeningApp, ListeningAppRequest } from '../testkit/app/listening-app.ts';

/** The parts of a refusal that a client uses, without its texts. */
export type Refusal = Omit<Problem, 'type' | 'title' | 'detail' | 'retryable'>;

/** Sends a request that must be refused. Checks that nothing of its tenant is stored. */
export async function refused(wire: ListeningApp, request: ListeningAppRequest): Promise<Refusal> {
  const problem = expectProblem(await wire.send(request));
  const {
    type: _type,
    title: _title,
    detail: _detail,
    retryable: _retryable,
    ...refusal
  } = problem;
  const tenant = request.sender?.tenant ?? 't1';
  const stored = 'SELECT version FROM event_log WHERE tenant_id = $1';
  expect(await wire.service.sql(stored, [tenant])).toEqual([]);
  return refusal;
}

/** The paths that read a body. An invalid body gets the same answer on each of them. */
export const bodyPaths = [
  '/api/sync/events',
  '/api/events',
  '/api/sync/conflicts/k/resolution',
] as const;

export async function refusedEverywhere(
  wire: ListeningApp,
  request: ListeningAppRequest,
): Promise<Refusal> {
  const [first, ...others] = await Promise.all(
    bodyPaths.map((url) => refused(wire, { ...request, url })),
  );
  for (const other of others) expect(other).toEqual(first);
  if (!first) throw new Error('no request was sent');
  return first;
}

/** A push with this body, unchanged. */
export function pushOf(
  body: string | Buffer | object,
  headers: ListeningAppRequest['headers'] = {},
) {
  return { method: 'POST', url: '/api/sync/events', body, headers } satisfies ListeningAppRequest;
}

/** Sends a valid push that is similar to the refused ones, for a tenant of its own. */
export function sendValidPush(
  wire: ListeningApp,
  body: string | Buffer,
  headers: ListeningAppRequest['headers'] = {},
): Promise<TestAnswer> {
  return wire.send({ ...pushOf(body, headers), sender: { tenant: 'good' } });
}
