import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import {
  startListeningApp,
  type ListeningApp,
  type ListeningAppRequest,
} from '../testkit/app/listening-app.ts';
import { pushOf } from './refused.ts';

const quota = 3;

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp({ env: { RATE_LIMIT_SUBJECT: `${quota}` } });
});
afterAll(() => wire.close());

describe('bad input: over the quota', () => {
  test.each<[what: string, request: ListeningAppRequest]>([
    ['a pull', { url: '/api/sync/changes' }],
    ['a push', pushOf({ events: [putNote('n1')] })],
    ['a push with an invalid body', pushOf('{')],
    ['a list', { url: '/api/sync/conflicts' }],
  ])('%s is refused with a retry-after, and nothing is stored', async (what, request) => {
    const sender = { tenant: what };
    for (let sent = 0; sent < quota; sent += 1) {
      expect((await wire.send({ url: '/api/sync/receipts?identityKeys=k', sender })).status).toBe(
        200,
      );
    }
    const answer = await wire.send({ ...request, sender });
    expect(expectProblem(answer)).toMatchObject({
      status: 429,
      code: 'RATE_LIMITED',
      retryable: true,
    });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.headers).toMatchObject({
      'ratelimit-limit': `${quota}`,
      'ratelimit-remaining': '0',
      'ratelimit-reset': expect.stringMatching(/^\d+$/),
    });
    const stored = 'SELECT version FROM event_log WHERE tenant_id = $1';
    expect(await wire.service.sql(stored, [what])).toEqual([]);
    // Another tenant has its own quota.
    const other = { ...request, sender: { tenant: `${what} of another` } };
    expect((await wire.send(other)).status).not.toBe(429);
  });
});
