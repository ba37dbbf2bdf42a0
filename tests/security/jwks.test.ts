import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestApp } from '../testkit/app/test-app.ts';
import {
  createKey,
  type Issuer,
  type IssuerAlgorithm,
  pullWith,
  startIssuer,
  startTrusting,
} from './issuer.ts';

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;
const keys = algorithms.map((alg) => createKey(alg, alg));

/** Keys that the service must not trust. Each is published under the kid of its name. */
const short = createKey('RS256', 'short', generateKeyPairSync('rsa', { modulusLength: 1024 }));
const leaked = createKey('RS256', 'leaked');
const shared = { kty: 'oct', k: Buffer.from('s'.repeat(32)).toString('base64url'), kid: 'shared' };
const forEncryption = createKey('RS256', 'for-encryption');
const otherCurve = createKey(
  'ES256',
  'other-curve',
  generateKeyPairSync('ec', { namedCurve: 'P-384' }),
);
const twice = createKey('RS256', 'twice');
const broken = createKey('RS256', 'broken');

let issuer: Issuer;
let service: TestApp;
beforeAll(async () => {
  issuer = await startIssuer(
    ...[...keys, short, otherCurve, twice, createKey('RS256', 'twice')].map(({ jwk }) => jwk),
    leaked.privateKey.export({ format: 'jwk' }),
    { ...leaked.privateKey.export({ format: 'jwk' }), kid: 'leaked', alg: 'RS256', use: 'sig' },
    { ...forEncryption.jwk, use: 'enc' },
    { ...broken.jwk, n: '!' },
    shared,
    {},
  );
  service = await startTrusting(issuer);
});
afterAll(async () => {
  await service.close();
  await issuer.close();
});

test.each(algorithms)('a token signed with %s by a published key is accepted', async (alg) => {
  const key = keys.find(({ header }) => header.alg === alg);
  expect(key && (await pullWith(service, key))).toBe('200');
});

test.each(algorithms)('a token signed with %s by another key is refused', async (alg) => {
  expect(await pullWith(service, createKey(alg, alg))).toBe('401 TOKEN_INVALID');
});

test.each(
  algorithms.flatMap((alg) => algorithms.map((kid): [IssuerAlgorithm, string] => [alg, kid])),
)(
  'a token signed with %s under the kid %s is accepted only if the key is the same',
  async (alg, kid) => {
    const signer = keys.find(({ header }) => header.alg === alg);
    if (!signer) throw new Error(`no key for ${alg}`);
    const status = await pullWith(service, { header: { alg, kid }, sign: signer.sign });
    expect(status).toBe(alg === kid ? '200' : '401 TOKEN_INVALID');
  },
);

test.each([
  ['for encryption', forEncryption],
  ['of another curve', otherCurve],
  ['that two keys share', twice],
  ['of a shared secret', createKey('RS256', 'shared')],
])('a kid %s is refused like an unknown kid', async (_what, key) => {
  expect(await pullWith(service, key)).toBe('401 TOKEN_INVALID');
});

test.each([
  ['is too short', short, /1024 bits/],
  ['was published with its private part', leaked, /public keys/],
  ['cannot be read', broken, /./],
])('a key that %s is not used, and the log has the reason', async (_what, key, reason) => {
  const before = service.logLines.length;
  expect(await pullWith(service, key)).toBe('503 UNAVAILABLE');
  const line = service.logLines.slice(before).find(({ event }) => event === 'request.failed');
  expect(line).toMatchObject({ err: { message: expect.stringMatching(reason) } });
  const { d, p } = leaked.privateKey.export({ format: 'jwk' });
  for (const secret of [d, p]) expect(JSON.stringify(line)).not.toContain(secret);
});

test('the user and password of JWKS_URL are sent to the issuer only', async () => {
  const ownIssuer = await startIssuer();
  const withPassword = await startTrusting(ownIssuer, 'land%40fall:p%3Ass@');
  ownIssuer.answer((_request, response) => response.writeHead(401).end());
  expect(await pullWith(withPassword, leaked)).toBe('503 UNAVAILABLE');
  const credentials = Buffer.from('land@fall:p:ss').toString('base64');
  expect(ownIssuer.requests).toEqual([
    { url: '/oauth/keys.json', authorization: `Basic ${credentials}` },
  ]);
  const log = JSON.stringify(withPassword.logLines);
  expect(log).toContain('request.failed');
  for (const secret of [credentials, 'land@fall', 'land%40fall', 'p:ss', 'p%3Ass']) {
    expect(log).not.toContain(secret);
  }
  await withPassword.close();
  await ownIssuer.close();
});
