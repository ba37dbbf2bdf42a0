import { createECDH, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { findSecretProblem } from '../../src/config/jwt-secret.ts';
import { refusal } from './support/config-refusal.ts';
import { fc } from './support/property.ts';

const certificate = `-----BEGIN CERTIFICATE-----
MIIBhDCCASugAwIBAgIUd/9VtaAENNJvxqOYgdQ5hnsWc18wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNbGFuZGZhbGwudGVzdDAeFw0yNjExMzAwNzUxNTlaFw0yNjEy
MDEwNzUxNTlaMBgxFjAUBgNVBAMMDWxhbmRmYWxsLnRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATm/tuB3FLlPRYOSu3SbQkmfXoTEgYknD+QX1Ei6KouM/O5
6Acqg6XnxauUj1RFEyrEZSNBjOl7LWh3sM6gp5k+o1MwUTAdBgNVHQ4EFgQUCzXM
5uZz7VYLKLxxECcRxmUV1bIwHwYDVR0jBBgwFoAUCzXM5uZz7VYLKLxxECcRxmUV
1bIwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBYmDzOfmjxEfyl
SJIywmg5BE7iMUcvwmDDkTAIKpn8pwIgAiruGBT1j6Dk0j5t7BRKzCnpf5JYVlA4
1gJcIs/2v7c=
-----END CERTIFICATE-----
`;
const request = `-----BEGIN CERTIFICATE REQUEST-----
MIHSMHoCAQAwGDEWMBQGA1UEAwwNbGFuZGZhbGwudGVzdDBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABOb+24HcUuU9Fg5K7dJtCSZ9ehMSBiScP5BfUSLoqi4z87no
ByqDpefFq5SPVEUTKsRlI0GM6XstaHewzqCnmT6gADAKBggqhkjOPQQDAgNIADBF
AiEAvsxZg/FhxfWExSUPhVB8jJsWL4A00RJygY+ONfnO+hECIEI18KmqzdLzf41e
g+4E+TllZqcebnhdcX66/pJqdT+0
-----END CERTIFICATE REQUEST-----
`;

const pairs = {
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: generateKeyPairSync('ed25519'),
};

/** A public key in the format of RFC 4253: each field is its length and its bytes. */
function openSsh(type: string, ...parts: readonly Buffer[]): string {
  const fields = [Buffer.from(type), ...parts].flatMap((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return [length, part];
  });
  return Buffer.concat(fields).toString('base64');
}

const blobs = {
  'ssh-ed25519': openSsh('ssh-ed25519', Buffer.alloc(32, 7)),
  'ssh-rsa': openSsh('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(257, 7)),
  'ecdsa-sha2-nistp256': openSsh(
    ...(['ecdsa-sha2-nistp256', Buffer.from('nistp256'), Buffer.alloc(65, 4)] as const),
  ),
  'sk-ssh-ed25519@openssh.com': openSsh('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 7)),
};

type Form = readonly [what: string, text: string];

/** What it is written as, and once more encoded. */
function formsOf(what: string, key: string | Buffer): Form[] {
  const bytes = Buffer.from(key);
  const base64 = bytes.toString('base64');
  const lines = base64.replace(/.{64}/g, '$&\n');
  return [
    ...(typeof key === 'string'
      ? [[what, key] as const, [`${what}, quoted`, `"${key}"`] as const]
      : []),
    [`${what} in base64`, base64],
    [`${what} in lines of base64`, lines],
    [`${what} in base64url`, bytes.toString('base64url')],
    [`${what} in base64, twice`, Buffer.from(base64).toString('base64')],
    [`${what} in hexadecimal`, bytes.toString('hex')],
    [`${what} in hexadecimal with colons`, bytes.toString('hex').replace(/..(?=.)/g, '$&:')],
  ];
}

function jwkForms(what: string, key: KeyObject): Form[] {
  const jwk = key.export({ format: 'jwk' });
  return [
    ...formsOf(`${what} as a JWK`, JSON.stringify(jwk)),
    ...formsOf(`${what} as JWKS`, JSON.stringify({ keys: [{ kid: 'k1', ...jwk }] }, null, 2)),
    [`${what} as a JWK within a text`, JSON.stringify(JSON.stringify(jwk))],
    [`${what} as a list of JWKs`, JSON.stringify([jwk])],
  ];
}

const publicForms = [
  ...Object.entries(pairs).flatMap(([name, { publicKey }]): Form[] => [
    ...formsOf(`${name} as PEM`, publicKey.export({ type: 'spki', format: 'pem' }).toString()),
    ...formsOf(`${name} as SPKI`, publicKey.export({ type: 'spki', format: 'der' })),
    ...jwkForms(name, publicKey),
  ]),
  ...formsOf(
    'RSA as PKCS #1',
    pairs.RSA.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  ),
  ...formsOf('RSA as PKCS #1', pairs.RSA.publicKey.export({ type: 'pkcs1', format: 'der' })),
  ...formsOf('a certificate', certificate),
  ...formsOf('a chain of certificates', certificate + certificate),
  ...formsOf('a request', request),
  ...[certificate, request].flatMap((pem) =>
    formsOf('bare X.509', Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')),
  ),
  ...Object.entries(blobs).flatMap(([type, blob]): Form[] => [
    ...formsOf(`OpenSSH ${type}`, `${type} ${blob} ann@example.com`),
    [`authorized_keys with ${type}`, `no-pty,command="/bin/true" ${type} ${blob}`],
    [`known_hosts with ${type}`, `issuer.example ${type} ${blob}`],
    [`bare OpenSSH ${type}`, blob],
  ]),
  [
    'RFC 4716',
    `---- BEGIN SSH2 PUBLIC KEY ----\n${blobs['ssh-ed25519']}\n---- END SSH2 PUBLIC KEY`,
  ],
  ['PGP', '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ0abcRYJKwYBBAHaRw8BAQdA\n'],
  [
    'XML',
    `<RSAKeyValue><Modulus>${'A'.repeat(40)}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>`,
  ],
  ...['prime256v1', 'secp256k1', 'secp384r1', 'secp521r1'].flatMap((curve) =>
    formsOf(`a point of ${curve}`, createECDH(curve).generateKeys()),
  ),
] satisfies Form[];

const privateForms = [
  ...Object.entries(pairs).flatMap(([name, { privateKey }]): Form[] => [
    ...formsOf(`${name} as PEM`, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    ...formsOf(`${name} as PKCS #8`, privateKey.export({ type: 'pkcs8', format: 'der' })),
    ...formsOf(
      `${name} with a password`,
      privateKey.export({
        ...{ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'open' },
      } as const),
    ),
    ...jwkForms(name, privateKey),
  ]),
  ...formsOf('RSA as PKCS #1', pairs.RSA.privateKey.export({ type: 'pkcs1', format: 'der' })),
  ...formsOf('P-256 as SEC 1', pairs['P-256'].privateKey.export({ type: 'sec1', format: 'der' })),
  ...formsOf(
    'OpenSSH',
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${Buffer.from('openssh-key-v1\0\0').toString('base64')}\n`,
  ),
  ...formsOf('bare OpenSSH', Buffer.from(`openssh-key-v1\0${'\0'.repeat(40)}`)),
  ['PuTTY', `PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 2\n`],
] satisfies Form[];

describe('bad input: a key, a certificate, a token or an address as JWT_SECRET', () => {
  test.each(publicForms)('a public key is refused as one: %s', (_what, text) => {
    expect(findSecretProblem(text)).toMatch(
      /^must be random bytes, not a public key or certificate/,
    );
  });

  test.each(privateForms)('a private key is refused as one: %s', (_what, text) => {
    expect(findSecretProblem(text)).toMatch(/^must be random bytes, not a private key.*JWKS_URL/);
  });

  test.each([
    ['a JWK around the secret', JSON.stringify({ kty: 'oct', k: 'c2VjcmV0'.repeat(8) }), 'JWK'],
    ['a token', `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.e30.c2ln`, 'token'],
    ['an address of keys', 'https://issuer.example/.well-known/jwks.json', 'JWKS_URL'],
  ])('%s is refused', (_what, text, named) => {
    const problem = findSecretProblem(text.padEnd(32));
    expect(problem).toContain(named);
    expect(problem).not.toContain(text);
  });

  test('the refusal names the variable and does not print its value', () => {
    const JWT_SECRET = `ssh-ed25519 ${blobs['ssh-ed25519']}`;
    const message = refusal({ JWT_SECRET });
    expect(message).toMatch(/^JWT_SECRET: must be random bytes, not a public key .*$/);
    expect(message).not.toContain('AAAA');
  });
});

test('random bytes are accepted in base64, base64url and hexadecimal', () => {
  const bytes = fc
    .uint8Array({ minLength: 32, maxLength: 80 })
    // Bytes that begin like this can by chance be a DER sequence or a curve point.
    .filter(([first]) => first !== 0x30 && first !== 0x04);
  fc.assert(
    fc.property(bytes, fc.constantFrom('base64', 'base64url', 'hex'), (secret, encoding) => {
      expect(findSecretProblem(Buffer.from(secret).toString(encoding))).toBeUndefined();
    }),
  );
});

test.each([
  's'.repeat(32),
  'the secret of the tour, at least 32 bytes',
  'correct horse battery staple, and then some more',
  `é${'x'.repeat(30)}`,
])('%j is accepted because it is no key that others know', (secret) => {
  expect(findSecretProblem(secret)).toBeUndefined();
});
