import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
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

/** Sends a token. @returns the reason in the log, and the body of the answer */
async function sendToken(app: TestApp, token: string) {
  const before = app.logLines.length;
  const headers = { authorization: `Bearer ${token}` };
  const { body } = await app.request({ url: '/api/sync/changes', headers });
  const isRequest = ({ event }: Record<string, unknown>) => event === 'request';
  await expect.poll(() => app.logLines.slice(before).some(isRequest)).toBe(true);
  const lines = app.logLines.slice(before);
  // A short token is a word that the log may contain for another reason.
  expect(JSON.stringify(lines)).not.toContain(token.padStart(30, '\0').slice(-30));
  return { fault: lines.find(isRequest)?.tokenFault, body };
}

const tokenOf = (claims: object, header: object = {}, signer: Signer = bySecret) =>
  forge(signer, { ...goodClaims, ...claims }, header);
const [header, claims] = tokenOf({}).split('.');

const faults: readonly (readonly [fault: string, what: string, token: string])[] = [
  ['expired', 'that has expired', tokenOf({ exp: anHourAgo })],
  ['signature', 'signed with another secret', tokenOf({}, {}, hmac(`${secret} `))],
  ['signature', 'without a signature', `${header}.${claims}.`],
  ['signature', 'with half a signature', tokenOf({}).slice(0, -20)],
  ['algorithm', 'with another algorithm', tokenOf({}, {}, hmac(secret, 'sha512'))],
  ['algorithm', 'with the algorithm none', tokenOf({}, { alg: 'none' })],
  ['audience', 'for another audience', tokenOf({ aud: 'another' })],
  ['audience', 'for several others', tokenOf({ aud: ['one', 'two'] })],
  ['audience', 'without an audience', tokenOf({ aud: undefined })],
  ['audience', 'whose audience is a number', tokenOf({ aud: 5 })],
  ['issuer', 'of another issuer', tokenOf({ iss: 'https://another.test' })],
  ['issuer', 'of no issuer', tokenOf({ iss: undefined })],
  ['issuer', 'of several issuers', tokenOf({ iss: ['https://issuer.test'] })],
  ['not yet valid', 'with an nbf in the future', tokenOf({ nbf: inAnHour })],
  ['not yet valid', 'with an iat in the future', tokenOf({ iat: inAnHour })],
  ['claim exp', 'without an exp', tokenOf({ exp: undefined })],
  ['claim exp', 'with an exp that is a text', tokenOf({ exp: String(inAnHour) })],
  ['claim nbf', 'with an nbf that is a text', tokenOf({ nbf: '1' })],
  ['claim iat', 'with an iat that is a text', tokenOf({ iat: '1' })],
  ['claim subject', 'with a subject of two lines', tokenOf({ sub: 'a\nb' })],
  ['claim device', 'with a device that is a number', tokenOf({ device: 5 })],
  ['claim scopes', 'with scopes that are a number', tokenOf({ scope: 5 })],
  ['type', 'for a logout', tokenOf({}, { typ: 'logout+jwt' })],
  ['extension', 'with an extension', tokenOf({}, { crit: ['b64'], b64: false })],
  ['extension', 'with an empty list of extensions', tokenOf({}, { crit: [] })],
  ['malformed', 'that is no JWT', 'token'],
  ['malformed', 'that is a text', forge(bySecret, '"good"')],
  ['malformed', 'that is no JSON', forge(bySecret, '{')],
  ['malformed', 'whose header is no JSON', forge(bySecret, goodClaims, '{')],
];

describe('the log has the reason why a token was refused, and the answer does not:', () => {
  test.each(faults)('%s, for a token %s', async (fault, _what, token) => {
    const refused = await sendToken(service, token);
    expect(refused.fault).toBe(fault);
    expect(refused.body).toEqual((await sendToken(service, 'token')).body);
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
    const refused = await sendToken(trusting, token);
    expect(refused.fault).toBe(fault);
    expect(refused.body).toEqual((await sendToken(trusting, 'token')).body);
  });

  test.each([
    ['tenant missing', tokenOf({ tenant: undefined })],
    ['tenant missing', tokenOf({ tenant: null })],
    ['tenant malformed', tokenOf({ tenant: 5 })],
    ['tenant malformed', tokenOf({ tenant: '' })],
    ['tenant malformed', tokenOf({ tenant: 'a\nb' })],
  ])('%s', async (fault, token) => {
    const refused = await sendToken(service, token);
    expect(refused.fault).toBe(fault);
    expect(refused.body).toMatchObject({ code: 'TENANT_REQUIRED' });
  });
});

test('the log has no reason for a valid token or for a request without a token', async () => {
  expect((await sendToken(service, tokenOf({}))).fault).toBeUndefined();
  expect((await sendToken(service, '')).fault).toBeUndefined();
});
