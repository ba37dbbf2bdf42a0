import { expect } from 'vitest';
import type { Problem } from '../../src/protocol/problem.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import type { TestAnswer } from '../testkit/app.ts';
import type { Wire, WireRequest } from '../testkit/wire.ts';

/** What a refusal says that a client acts on: all of it but its words. */
export type Refusal = Omit<Problem, 'type' | 'title' | 'detail' | 'retryable'>;

/** How a request is refused, of whose tenant then nothing may be stored. */
export async function refused(wire: Wire, request: WireRequest): Promise<Refusal> {
  const problem = refusalOf(await wire.send(request));
  const { type: _type, title: _title, detail: _detail, retryable: _retryable, ...said } = problem;
  const tenant = request.sender?.tenant ?? 't1';
  const stored = 'SELECT version FROM events WHERE tenant_id = $1';
  expect(await wire.service.sql(stored, [tenant])).toEqual([]);
  return said;
}

/** Where a body is read. Whatever is wrong with it as a body is answered the same on each. */
export const bodyPaths = [
  '/api/sync/events',
  '/api/events',
  '/api/sync/conflicts/k/resolution',
] as const;

export async function refusedEverywhere(wire: Wire, request: WireRequest): Promise<Refusal> {
  const [first, ...others] = await Promise.all(
    bodyPaths.map((url) => refused(wire, { ...request, url })),
  );
  for (const other of others) expect(other).toEqual(first);
  if (!first) throw new Error('no path was asked');
  return first;
}

/** A push of one body as it stands. */
export function pushOf(body: string | Buffer | object, headers: WireRequest['headers'] = {}) {
  return { method: 'POST', url: '/api/sync/events', body, headers } satisfies WireRequest;
}

/** What is answered to almost the same, in which nothing is wrong, under a tenant of its own. */
export function good(
  wire: Wire,
  body: string | Buffer,
  headers: WireRequest['headers'] = {},
): Promise<TestAnswer> {
  return wire.send({ ...pushOf(body, headers), sender: { tenant: 'good' } });
}
