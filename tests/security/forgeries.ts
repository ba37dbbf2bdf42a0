import { createHmac, generateKeyPairSync, sign } from 'node:crypto';

/** Signs tokens: the header that names the key, and the signature of a text. */
export interface Signer {
  readonly header: { readonly alg: string; readonly kid?: string };
  readonly sign: (text: string) => string;
}

/** The fault of a token, and the token. */
export type Forgery = readonly [what: string, token: string];

const now = Math.floor(Date.now() / 1000);
export const inAnHour = now + 3600;
export const anHourAgo = now - 3600;

export const goodClaims = {
  tenant: 't1',
  sub: 'user',
  device: 'd1',
  scope: 'sync:push sync:pull',
  aud: 'landfall',
  iss: 'https://issuer.test',
  exp: inAnHour,
};

const without = (name: keyof typeof goodClaims) => ({ ...goodClaims, [name]: undefined });

/** A text is encoded unchanged, for claims that are no JSON or have a name twice. */
const encode = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

export function forge(signer: Signer, claims: unknown, header: object | string = {}): string {
  const fullHeader =
    typeof header === 'string' ? header : { typ: 'JWT', ...signer.header, ...header };
  const text = `${encode(fullHeader)}.${encode(claims)}`;
  return `${text}.${signer.sign(text)}`;
}

export const hmac = (key: string | Buffer, algorithm = 'sha256') => ({
  header: { alg: `HS${algorithm.slice(3)}` },
  sign: (text: string) => createHmac(algorithm, key).update(text).digest('base64url'),
});

const unsigned = (alg: unknown) => ({ header: { alg: alg as string }, sign: () => '' });

const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = own.publicKey.export({ format: 'jwk' });
const ownRsa = {
  header: { alg: 'RS256' },
  sign: (text: string) => sign('sha256', Buffer.from(text), own.privateKey).toString('base64url'),
};

/** The same signer with other members in its header. */
const withHeader = (signer: Signer, header: object): Signer => ({
  header: { ...signer.header, ...header },
  sign: signer.sign,
});

/** Tokens with invalid signatures: missing ones, or ones by a key that the token itself contains. */
export function badSignatures(good: Signer, foreignUrl: string): Forgery[] {
  const [header64, claims64, signature64 = ''] = forge(good, goodClaims).split('.');
  const { kid } = good.header;
  const ownKey = withHeader(ownRsa, kid === undefined ? {} : { kid });
  return [
    ...['none', 'None', 'NONE', 'nOnE', '', undefined, null, 5].flatMap((alg): Forgery[] => [
      [`alg ${String(alg)} and no signature`, forge(unsigned(alg), goodClaims, { kid })],
      [`alg ${String(alg)} and a signature`, forge(withHeader(good, { alg }), goodClaims)],
    ]),
    ['alg HS256, then none', forge(good, goodClaims, '{"alg":"HS256","alg":"none"}')],
    [
      'alg in small letters',
      forge(withHeader(good, { alg: good.header.alg.toLowerCase() }), goodClaims),
    ],
    ['an empty signature', `${header64}.${claims64}.`],
    ['no signature', `${header64}.${claims64}`],
    ['half of its signature', `${header64}.${claims64}.${signature64.slice(0, 20)}`],
    ['a padded signature', `${header64}.${claims64}.${signature64}=`],
    ['four parts', `${forge(good, goodClaims)}.${signature64}`],
    ['an empty key', forge(hmac(''), goodClaims, { kid })],
    ['RS256 with its own key', forge(ownKey, goodClaims)],
    ['its own key in jwk', forge(ownKey, goodClaims, { jwk })],
    ['its own key at jku', forge(ownKey, goodClaims, { jku: foreignUrl })],
    ['its own key at x5u', forge(ownKey, goodClaims, { x5u: foreignUrl })],
    ['its own key in x5c', forge(ownKey, goodClaims, { x5c: [jwk.n] })],
    ...['../../dev/null', '/dev/null', foreignUrl, "' UNION SELECT '", '', 5, null, [kid]].map(
      (path): Forgery => [
        `the kid ${JSON.stringify(path)} and an empty key`,
        forge(hmac(''), goodClaims, { kid: path }),
      ],
    ),
    [
      'claims that were changed',
      `${header64}.${encode({ ...goodClaims, tenant: 't2' })}.${signature64}`,
    ],
    ['a header that was changed', `${encode(good.header)}.${claims64}.${signature64}`],
    ['three empty parts', '..'],
    ['one part', 'token'],
    ['a hundred thousand bytes', `${header64}.${'x'.repeat(100_000)}.${signature64}`],
    ['the shape of a JWE', `${encode({ alg: 'dir', enc: 'A256GCM' })}..aXY.dGV4dA.dGFn`],
  ];
}

/** Tokens with a valid signature that are not valid for this service or at this time. */
export function badContents(good: Signer): Forgery[] {
  const header = JSON.stringify(good.header);
  const badHeaders = [
    { crit: ['unheard-of'], 'unheard-of': 1 },
    { crit: ['exp'], exp: inAnHour },
    { crit: ['b64'], b64: true },
    { crit: ['b64'], b64: false },
    { b64: false },
    ...[[], '', null, 0, false, {}].map((crit) => ({ crit })),
    ...['logout+jwt', 'dpop+jwt', 'JOSE', 'JWT ', '', 5, null, ['JWT']].map((typ) => ({ typ })),
  ];
  const badClaims = [
    { aud: 'another' },
    { aud: undefined },
    { aud: [] },
    { aud: ['one', 'two'] },
    { aud: ['landfall', 5] },
    { aud: 'landfall2' },
    { aud: 'Landfall' },
    { iss: 'https://issuer.test.evil' },
    { iss: 'https://issuer.test/' },
    { iss: ['https://issuer.test'] },
    { iss: undefined },
    ...[undefined, null, 0, anHourAgo, String(inAnHour), [inAnHour], {}].map((exp) => ({ exp })),
    ...[inAnHour, String(anHourAgo), null, 1e300].map((nbf) => ({ nbf })),
    ...[inAnHour, String(anHourAgo), null].map((iat) => ({ iat })),
    ...[[['sync:pull']], ['sync:pull', 5], {}, null, 5].map((scope) => ({ scope })),
    ...[5, '', 'a\nb'].map((sub) => ({ sub })),
  ];
  const claims = JSON.stringify(without('exp')).slice(0, -1);
  return [
    ...badHeaders.map((part): Forgery => [describeClaims(part), forge(good, goodClaims, part)]),
    ...badClaims.map(
      (part): Forgery => [describeClaims(part), forge(good, { ...goodClaims, ...part })],
    ),
    ['an infinite exp', forge(good, `${claims},"exp":1e999}`)],
    [
      'an exp in the past after an exp in the future',
      forge(good, `${claims},"exp":${inAnHour},"exp":1}`),
    ],
    ['claims that are null', forge(good, null)],
    ['claims that are an array', forge(good, [goodClaims])],
    ['claims that are a text', forge(good, '"good"')],
    ['claims that are no JSON', forge(good, '{')],
    ['claims that are a token', forge(good, forge(good, goodClaims), { cty: 'JWT' })],
    ['an unencoded payload', unencoded(good)],
    ['a tenant that is no UTF-8', forgeBytes(good, header)],
    ['a header that is no JSON', forge(good, goodClaims, '{')],
    ['a header that is an array', forge(good, goodClaims, `[${header}]`)],
  ];
}

/** RFC 7797: unencoded claims. The signature covers them unencoded. */
function unencoded(good: Signer): string {
  const text = `${encode({ ...good.header, b64: false, crit: ['b64'] })}.{"tenant":"t1"}`;
  return `${text}.${good.sign(text)}`;
}

function forgeBytes(good: Signer, header: string): string {
  const bytes = Buffer.from(JSON.stringify({ ...goodClaims, tenant: 't\u00e9' }), 'latin1');
  const text = `${encode(header)}.${bytes.toString('base64url')}`;
  return `${text}.${good.sign(text)}`;
}

function describeClaims(part: object): string {
  return JSON.stringify(part, (_name, value: unknown) => (value === undefined ? 'none' : value));
}
