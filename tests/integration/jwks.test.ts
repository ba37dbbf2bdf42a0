import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Algorithm, createSigner } from 'fast-jwt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everyScope } from '../../src/token.ts';
import { startApp, type TestApp } from '../setup/app.ts';

const issuer = 'https://issuer.test/';
const audience = 'landfall';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const unpublished = generateKeyPairSync('rsa', { modulusLength: 2048 });
const published = {
  RS256: rsa,
  PS256: rsa,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
} as const;

/** An issuer that answers as told, and a service that trusts it. */
async function trust(answer: RequestListener): Promise<{ service: TestApp; issuerServer: Server }> {
  const issuerServer = createServer(answer).listen(0, '127.0.0.1');
  await once(issuerServer, 'listening');
  const { port } = issuerServer.address() as AddressInfo;
  const env = {
    JWT_SECRET: '',
    JWKS_URL: `http://127.0.0.1:${port}/oauth/keys.json`,
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
  };
  return { service: await startApp({ env }), issuerServer };
}

async function end({ service, issuerServer }: Awaited<ReturnType<typeof trust>>): Promise<void> {
  await service.close();
  issuerServer.closeAllConnections();
  issuerServer.close();
}

interface TokenOptions {
  readonly algorithm?: keyof typeof published;
  readonly key?: KeyPairKeyObjectResult;
  readonly kid?: string;
  readonly iss?: string;
  readonly aud?: string;
}

function sign({
  algorithm = 'RS256',
  key,
  kid = algorithm,
  iss = issuer,
  aud = audience,
}: TokenOptions) {
  const { privateKey } = key ?? published[algorithm];
  const signer = createSigner({
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    algorithm: algorithm satisfies Algorithm,
    ...{ kid, iss, aud, expiresIn: 60_000 },
  });
  return signer({ tenant: 't1', scope: everyScope });
}

async function pullWith(service: TestApp, token: string) {
  const headers = { authorization: `Bearer ${token}` };
  const { status, body } = await service.request({ url: '/api/sync/changes', headers });
  return status === 200 ? { status } : { status, code: body.code };
}

describe('with an issuer that publishes its keys', () => {
  let trusted: Awaited<ReturnType<typeof trust>>;
  let fetches = 0;
  beforeAll(async () => {
    const keys = Object.entries(published).map(([alg, { publicKey }]) => ({
      ...publicKey.export({ format: 'jwk' }),
      ...{ kid: alg, alg, use: 'sig' },
    }));
    trusted = await trust((_request, response) => {
      fetches += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys }));
    });
  });
  afterAll(() => end(trusted));

  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)(
    'a token signed with %s by a published key is accepted',
    async (algorithm) => {
      expect(await pullWith(trusted.service, sign({ algorithm }))).toEqual({ status: 200 });
    },
  );

  test.each([
    ['signed by another key', { key: unpublished }],
    ['naming a key that is not published', { kid: 'k2' }],
    ['of another issuer', { iss: 'https://elsewhere.test/' }],
    ['for another audience', { aud: 'another service' }],
  ])('a token %s is refused', async (_case, options) => {
    const refused = { status: 401, code: 'TOKEN_INVALID' };
    expect(await pullWith(trusted.service, sign(options))).toEqual(refused);
  });

  test('forged tokens do not make the service fetch keys', async () => {
    await pullWith(trusted.service, sign({ kid: 'not published' }));
    const before = fetches;
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const claims = encode({ tenant: 't1', iss: issuer, aud: audience, exp: 4e9 });
    const forged = ['none', 'HS256', 'RS256'].flatMap((alg) =>
      Array.from({ length: 10 }, (_, n) => `${encode({ alg, kid: `k${n}` })}.${claims}.c2ln`),
    );
    const answers = await Promise.all(forged.map((token) => pullWith(trusted.service, token)));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['TOKEN_INVALID']));
    // One more where the five seconds since the last fetch happen to end meanwhile.
    expect(fetches - before).toBeLessThanOrEqual(1);
  });
});

test.each([
  ['answers with an error', (_request, response) => response.writeHead(500).end()],
  ['answers nonsense', (_request, response) => response.end('<html>')],
  ['breaks the connection', (request) => request.socket.destroy()],
  ['stays silent', () => {}],
] satisfies [string, RequestListener][])(
  'an issuer that %s is a 503, so that clients neither sign in again nor drop anything',
  async (_case, answer) => {
    const trusted = await trust(answer);
    const unavailable = { status: 503, code: 'UNAVAILABLE' };
    expect(await pullWith(trusted.service, sign({}))).toEqual(unavailable);
    await end(trusted);
  },
);
