import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../testkit/app.ts';
import {
  anHourAgo,
  type Forgery,
  forge,
  goodClaims,
  hmac,
  inAnHour,
  type Signer,
} from './forgeries.ts';
import { createKey, type Issuer, startIssuer, startTrusting } from './issuer.ts';

const secret = 'the only secret of this test, at least 32 bytes';
const bySecret = hmac(secret);
const byKey = createKey('RS256', 'k1');
let issuer: Issuer;
let service: TestApp;
let trusting: TestApp;
beforeAll(async () => {
  issuer = await startIssuer(byKey.jwk);
  const env = { JWT_SECRET: secret, JWT_AUDIENCE: 'landfall', JWT_ISSUER: 'https://issuer.test' };
  [service, trusting] = await Promise.all([startApp({ env }), startTrusting(issuer)]);
});
afterAll(() => Promise.all([service, trusting, issuer].map((each) => each.close())));

/** The reason that the log gives, and the body of the answer. */
async function refuse(by: TestApp, token: string) {
  const before = by.logLines.length;
  const headers = { authorization: `Bearer ${token}` };
  const { body } = await by.request({ url: '/api/sync/changes', headers });
  const isRequest = ({ event }: Record<string, unknown>) => event === 'request';
  await expect.poll(() => by.logLines.slice(before).some(isRequest)).toBe(true);
  const lines = by.logLines.slice(before);
  // A short one is a word that may stand anywhere.
  expect(JSON.stringify(lines)).not.toContain(token.padStart(30, '\0').slice(-30));
  return { fault: lines.find(isRequest)?.tokenFault, body };
}

const tokenOf = (claims: object, header: object = {}, signer: Signer = bySecret) =>
  forge(signer, { ...goodClaims, ...claims }, header);
const [header, claims] = tokenOf({}).split('.');

const faults: readonly (readonly [fault: string, what: string, token: string])[] = [
  ['expired', 'that has expired', tokenOf({ exp: anHourAgo })],
  ['signature', 'of another secret', tokenOf({}, {}, hmac(`${secret} `))],
  ['signature', 'without a signature', `${header}.${claims}.`],
  ['signature', 'with half of one', tokenOf({}).slice(0, -20)],
  ['algorithm', 'of another algorithm', tokenOf({}, {}, hmac(secret, 'sha512'))],
  ['algorithm', 'of none', tokenOf({}, { alg: 'none' })],
  ['audience', 'for another audience', tokenOf({ aud: 'another' })],
  ['audience', 'for several others', tokenOf({ aud: ['one', 'two'] })],
  ['audience', 'for nobody', tokenOf({ aud: undefined })],
  ['audience', 'for a number', tokenOf({ aud: 5 })],
  ['issuer', 'of another issuer', tokenOf({ iss: 'https://another.test' })],
  ['issuer', 'of no issuer', tokenOf({ iss: undefined })],
  ['issuer', 'of several issuers', tokenOf({ iss: ['https://issuer.test'] })],
  ['not yet valid', 'with an nbf to come', tokenOf({ nbf: inAnHour })],
  ['not yet valid', 'with an iat to come', tokenOf({ iat: inAnHour })],
  ['claim exp', 'without an end', tokenOf({ exp: undefined })],
  ['claim exp', 'with an end that is a text', tokenOf({ exp: String(inAnHour) })],
  ['claim nbf', 'with an nbf that is a text', tokenOf({ nbf: '1' })],
  ['claim iat', 'with an iat that is a text', tokenOf({ iat: '1' })],
  ['claim subject', 'with a subject of two lines', tokenOf({ sub: 'a\nb' })],
  ['claim device', 'with a device that is a number', tokenOf({ device: 5 })],
  ['claim scopes', 'with scopes that are a number', tokenOf({ scope: 5 })],
  ['type', 'made for a logout', tokenOf({}, { typ: 'logout+jwt' })],
  ['extension', 'with an extension', tokenOf({}, { crit: ['b64'], b64: false })],
  ['extension', 'with an empty list of extensions', tokenOf({}, { crit: [] })],
  ['malformed', 'that is none', 'token'],
  ['malformed', 'that is a text', forge(bySecret, '"good"')],
  ['malformed', 'that is no JSON', forge(bySecret, '{')],
  ['malformed', 'whose header is no JSON', forge(bySecret, goodClaims, '{')],
];

describe('the log says why a token was refused, and the answer does not:', () => {
  test.each(faults)('%s, of one %s', async (fault, _what, token) => {
    const refused = await refuse(service, token);
    expect(refused.fault).toBe(fault);
    expect(refused.body).toEqual((await refuse(service, 'token')).body);
    expect(refused.body).toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test.each<Forgery>([
    ['unknown kid', tokenOf({}, { kid: 'k2' }, byKey)],
    ['unknown kid', tokenOf({}, { kid: undefined }, byKey)],
    ['algorithm', tokenOf({}, { kid: 'k1' })],
    ['unknown kid', tokenOf({}, { alg: 'PS256' }, byKey)],
    ['signature', `${tokenOf({}, {}, byKey).slice(0, -20)}${'A'.repeat(20)}`],
    ['expired', tokenOf({ exp: anHourAgo }, {}, byKey)],
    ['audience', tokenOf({ aud: 'another' }, {}, byKey)],
    ['issuer', tokenOf({ iss: 'https://another.test' }, {}, byKey)],
  ])('with published keys, %s', async (fault, token) => {
    const refused = await refuse(trusting, token);
    expect(refused.fault).toBe(fault);
    expect(refused.body).toEqual((await refuse(trusting, 'token')).body);
  });

  test.each([
    ['tenant missing', tokenOf({ tenant: undefined })],
    ['tenant missing', tokenOf({ tenant: null })],
    ['tenant malformed', tokenOf({ tenant: 5 })],
    ['tenant malformed', tokenOf({ tenant: '' })],
    ['tenant malformed', tokenOf({ tenant: 'a\nb' })],
  ])('%s', async (fault, token) => {
    const refused = await refuse(service, token);
    expect(refused.fault).toBe(fault);
    expect(refused.body).toMatchObject({ code: 'TENANT_REQUIRED' });
  });
});

test('a good token has no fault in the log, nor has a request without one', async () => {
  expect((await refuse(service, tokenOf({}))).fault).toBeUndefined();
  expect((await refuse(service, '')).fault).toBeUndefined();
});
