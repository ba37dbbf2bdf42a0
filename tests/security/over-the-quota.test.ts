import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startWire, type Wire, type WireRequest } from '../testkit/wire.ts';
import { pushOf } from './refused.ts';

const allowed = 3;

let wire: Wire;
beforeAll(async () => {
  wire = await startWire({ env: { RATE_LIMIT_SUBJECT: `${allowed}` } });
});
afterAll(() => wire.close());

describe('bad input: over the quota', () => {
  test.each<[what: string, request: WireRequest]>([
    ['a pull', { url: '/api/sync/changes' }],
    ['a push', pushOf({ events: [put('n1')] })],
    ['a push that is not read', pushOf('{')],
    ['a list', { url: '/api/sync/conflicts' }],
  ])('%s is told when to come again, and nothing of it is stored', async (what, request) => {
    const sender = { tenant: what };
    for (let sent = 0; sent < allowed; sent += 1) {
      expect((await wire.send({ url: '/api/sync/receipts?identityKeys=k', sender })).status).toBe(
        200,
      );
    }
    const answer = await wire.send({ ...request, sender });
    expect(refusalOf(answer)).toMatchObject({ status: 429, code: 'RATE_LIMITED', retryable: true });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.headers).toMatchObject({
      'ratelimit-limit': `${allowed}`,
      'ratelimit-remaining': '0',
      'ratelimit-reset': expect.stringMatching(/^\d+$/),
    });
    const stored = 'SELECT version FROM events WHERE tenant_id = $1';
    expect(await wire.service.sql(stored, [what])).toEqual([]);
    // Another tenant's quota is its own.
    const other = { ...request, sender: { tenant: `${what} of another` } };
    expect((await wire.send(other)).status).not.toBe(429);
  });
});
