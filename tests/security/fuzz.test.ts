import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushAnswerSchema } from '../../src/protocol/push.ts';
import { salesPushAnswerSchema } from '../../src/systems/sales/dialect.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { createDevice } from '../testkit/checker/device.ts';
import { createHistory } from '../testkit/checker/history.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { leakPattern } from '../testkit/app/expect-problem.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import { type FuzzedRequest, requests, validPushes } from './fuzzed-requests.ts';

/*
 * SEED repeats a run, and RUNS sets its length: RUNS=20000 npm exec vitest run tests/security/fuzz.test.ts
 */
const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
const numRuns = Number(process.env.RUNS ?? 600);
const parameters = {
  seed,
  numRuns,
  interruptAfterTimeLimit: 3_600_000,
  markInterruptAsFailure: true,
};
const hangMs = 3_600_000;

let wire: ListeningApp;
let fuzzed: Tenant;
let neighbour: Tenant;
beforeAll(async () => {
  process.stderr.write(`fuzz: SEED=${seed} RUNS=${numRuns}\n`);
  // One sender sends all requests without pauses, so the rate limits are off.
  const unlimited = {
    RATE_LIMIT_ADDRESS: 'off',
    RATE_LIMIT_TENANT: 'off',
    RATE_LIMIT_SUBJECT: 'off',
  };
  const env = { MAX_BODY_BYTES: '65536', MAX_EVENT_BYTES: '16384', ...unlimited };
  wire = await startListeningApp({ env });
  [fuzzed, neighbour] = [await createTenant(wire.service), await createTenant(wire.service)];
  const secret = { title: secretOfNeighbour };
  for (const tenant of [fuzzed, neighbour]) {
    const lost = putNote('n1', { title: 'B' }, { identityKey: 'lost', baseVersion: 0 });
    await tenant.push([
      putNote('n1', tenant === neighbour ? secret : {}, { identityKey: 'k' }),
      lost,
    ]);
  }
});
afterAll(() => wire.close());

const secretOfNeighbour = 'what only the neighbour may read';

/** A secret or an internal text in the answer, unless the request contained it. */
function findLeak(answer: string, request: FuzzedRequest): string | undefined {
  if (answer.includes(secretOfNeighbour)) return secretOfNeighbour;
  const [found] = leakPattern.exec(answer) ?? [];
  if (found === undefined) return undefined;
  const sent =
    decodeURIComponent(request.url.replaceAll(/%(?![0-9a-f]{2})|%[89a-f]./gi, '')) +
    String(request.body);
  return sent.toLowerCase().includes(found.toLowerCase()) ? undefined : found;
}

test(
  'every push that matches its schema is answered 200, with a result for each event',
  async () => {
    for (const { url, bodies } of validPushes) {
      const schema = url === '/api/events' ? salesPushAnswerSchema : pushAnswerSchema;
      await fc.assert(
        fc.asyncProperty(bodies, async (body) => {
          const request = {
            method: 'POST',
            url,
            body: JSON.stringify(body),
            sender: fuzzed.sender(),
          };
          const answer = await wire.send(request);
          expect(answer.status).toBe(200);
          const { processed, failed } = schema.parse(answer.body);
          const events: unknown[] = Array.isArray(body) ? body : Object(body).events;
          expect(processed.length + failed.length).toBe(events.length);
          expect(failed.map(({ code }) => code)).not.toContain('KIND_FAILED');
        }),
        { ...parameters, numRuns: Math.ceil(numRuns / 6) },
      );
    }
  },
  hangMs,
);

test(
  'every other request is answered as openapi.yaml says, without a server error and without a leak',
  async () => {
    const countByStatus = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const { body, ...rest } = request;
        const answer = await wire.send({ ...rest, ...(body && { body }), sender: fuzzed.sender() });
        const text = JSON.stringify(answer);
        expect({ status: answer.status, leak: findLeak(text, request) }).toEqual({
          status: expect.toSatisfy((status: number) => status < 500),
          leak: undefined,
        });
        countByStatus.set(`${answer.status}`, (countByStatus.get(`${answer.status}`) ?? 0) + 1);
      }),
      parameters,
    );
    // The requests must get different answers. Otherwise the test would check only one refusal.
    expect(countByStatus.size).toBeGreaterThan(3);
  },
  hangMs,
);

test('after that, the tenant’s log is consistent, the other tenant is unchanged, and there is no third one', async () => {
  const device = createDevice({
    history: createHistory(),
    url: () => `http://127.0.0.1:${wire.port}`,
    token: () => wire.service.token(fuzzed.sender()),
    name: 'puller',
    timeoutMs: 20_000,
  });
  const databaseUrl = wire.service.database.url;
  await expectNothingLost({ databaseUrl, tenant: fuzzed.id, devices: [device] });
  expect(await neighbour.log()).toMatchObject([
    { identityKey: 'k', outcome: 'applied' },
    { identityKey: 'lost', outcome: 'conflict' },
  ]);
  expect([...(await neighbour.records()).values()]).toMatchObject([
    { entityId: 'n1', version: 1, data: { title: secretOfNeighbour } },
  ]);
  const tenants = await wire.service.sql<{ id: string }>('SELECT id FROM tenants');
  expect(new Set(tenants.map(({ id }) => id))).toEqual(new Set([fuzzed.id, neighbour.id]));
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(wire.service.logLines.filter(({ level }) => level === 'error')).toEqual([]);
});
