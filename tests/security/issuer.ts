import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { forge, goodClaims, type Signer } from './forgeries.ts';

/** A key with which an issuer signs, and which it publishes. */
export interface IssuerKey extends Signer {
  readonly jwk: { readonly [name: string]: unknown };
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const hashes = { RS256: 'sha256', PS256: 'sha256', ES256: 'sha256', EdDSA: null } as const;
export type IssuerAlgorithm = keyof typeof hashes;

const makePair = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
} as const;

export function createKey(
  alg: IssuerAlgorithm,
  kid: string,
  { privateKey, publicKey } = makePair[alg](),
): IssuerKey {
  const key =
    alg === 'PS256'
      ? { key: privateKey, padding: 6, saltLength: 32 }
      : { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
  return {
    header: { alg, kid },
    jwk: { ...publicKey.export({ format: 'jwk' }), ...{ kid, alg, use: 'sig' } },
    ...{ privateKey, publicKey },
    sign: (text) => sign(hashes[alg], Buffer.from(text), key).toString('base64url'),
  };
}

export interface Issuer {
  readonly port: number;
  /** The requests that the issuer has received. */
  readonly requests: readonly { readonly url: string; readonly authorization?: string }[];
  publish(...keys: readonly object[]): void;
  answer(listener: RequestListener): void;
  close(): Promise<void>;
}

export async function startIssuer(...keys: readonly object[]): Promise<Issuer> {
  const requests: { url: string; authorization?: string }[] = [];
  let listener: RequestListener = () => {};
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    requests.push({
      url: request.url ?? '',
      ...(authorization !== undefined && { authorization }),
    });
    listener(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = {
    port: (server.address() as AddressInfo).port,
    requests,
    publish(...published: readonly object[]) {
      const body = JSON.stringify({ keys: published });
      listener = (_request, response) =>
        response.setHeader('content-type', 'application/json').end(body);
    },
    answer(other: RequestListener) {
      listener = other;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  issuer.publish(...keys);
  return issuer;
}

/** Starts a service that trusts the issuer. */
export function startTrusting(issuer: Issuer, credentials = ''): Promise<TestApp> {
  const env = {
    JWT_SECRET: '',
    JWKS_URL: `http://${credentials}127.0.0.1:${issuer.port}/oauth/keys.json`,
    JWT_ISSUER: goodClaims.iss,
    JWT_AUDIENCE: goodClaims.aud,
  };
  return startApp({ env });
}

/** Pulls with a token of the signer. @returns the status, and the code of a refusal */
export async function pullWith(service: TestApp, signer: Signer, claims: object = goodClaims) {
  const headers = { authorization: `Bearer ${forge(signer, claims)}` };
  const { status, body } = await service.request({ url: '/api/sync/changes', headers });
  return status === 200 ? '200' : `${status} ${body.code}`;
}
