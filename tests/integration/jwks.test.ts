import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSigner } from 'fast-jwt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { everyScope } from '../../src/token.ts';
import { startApp, type TestApp } from '../setup/app.ts';

const issuer = 'https://issuer.test/';
const audience = 'landfall';
const published = generateKeyPairSync('rsa', { modulusLength: 2048 });
const unpublished = generateKeyPairSync('rsa', { modulusLength: 2048 });

let keys: Server;
let service: TestApp;
let requestsForKeys = 0;
beforeAll(async () => {
  const key = { ...published.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256' };
  keys = createServer((_request, response) => {
    requestsForKeys += 1;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: [key] }));
  }).listen(0, '127.0.0.1');
  await once(keys, 'listening');
  const { port } = keys.address() as AddressInfo;
  service = await startApp({
    env: {
      JWT_SECRET: '',
      JWKS_URL: `http://127.0.0.1:${port}/oauth/keys.json`,
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
    },
  });
});
afterAll(async () => {
  await service.close();
  keys.close();
});

interface TokenOptions {
  readonly key?: typeof published;
  readonly kid?: string;
  readonly iss?: string;
  readonly aud?: string;
}

async function pullWith({
  key = published,
  kid = 'k1',
  iss = issuer,
  aud = audience,
}: TokenOptions) {
  const sign = createSigner({
    key: key.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    algorithm: 'RS256',
    kid,
    iss,
    aud,
    expiresIn: 60_000,
  });
  const token = sign({ tenant: 't1', scope: everyScope });
  const headers = { authorization: `Bearer ${token}` };
  const { status, body } = await service.request({ url: '/api/sync/changes', headers });
  return { status, code: body.code };
}

test('a token signed by a published key is accepted, and the key is fetched once', async () => {
  const before = requestsForKeys;
  expect(await pullWith({ kid: 'k1' })).toEqual({ status: 200 });
  expect(await pullWith({ kid: 'k1' })).toEqual({ status: 200 });
  expect(requestsForKeys - before).toBeLessThanOrEqual(1);
});

test.each([
  ['signed by another key', { key: unpublished }],
  ['naming a key that is not published', { kid: 'k2' }],
  ['of another issuer', { iss: 'https://elsewhere.test/' }],
  ['for another audience', { aud: 'another service' }],
])('a token %s is refused', async (_case, options) => {
  expect(await pullWith(options)).toEqual({ status: 401, code: 'TOKEN_INVALID' });
});

test('while the issuer does not answer, a key not seen before is a 503, not a refusal', async () => {
  keys.closeAllConnections();
  keys.close();
  await once(keys, 'close');
  expect(await pullWith({ kid: 'k3' })).toEqual({ status: 503, code: 'UNAVAILABLE' });
  expect(await pullWith({ kid: 'k1' })).toEqual({ status: 200 });
});
