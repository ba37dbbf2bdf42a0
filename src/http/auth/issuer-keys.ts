import { KeyObject } from 'node:crypto';
import {
  type CryptoKey,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWKSCacheInput,
  jwksCache,
} from 'jose';
import { RequestProblem } from '../../domain/errors.ts';
import { TokenError } from './token-error.ts';

export const issuerAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** For the issuer to answer, body and all. */
const timeoutMs = 5_000;
/** From the end of one fetch to the next, whatever tokens arrive and whatever the issuer answered. */
const cooldownMs = 5_000;
/** How long a key that the issuer withdrew may still be taken. */
const freshMs = 10 * 60_000;
/** The same, where the issuer does not answer. */
const staleMs = 60 * 60_000;
const maxBytes = 1_048_576;
/** RFC 7518, 3.3. */
const minRsaBits = 2048;

/**
 * The keys that an issuer publishes, kept in memory and fetched from `jwksUrl` only. A user and password
 * in it are sent as Basic authentication. Where the issuer stops answering, its last keys serve for an
 * hour, and `onFailed` hears of every attempt.
 *
 * @returns `find` gives the public key for a token's `kid` and `alg`, as PEM. It throws RequestProblem
 * TOKEN_INVALID where the issuer has no such key, and UNAVAILABLE where it does not answer, or not with a
 * key that can be trusted. `fetchNow` fetches the keys before anybody names one, and throws where the
 * issuer does not give them
 */
export function createIssuerKeys(jwksUrl: string, onFailed: (error: unknown) => void) {
  const { url, authorization } = splitCredentials(jwksUrl);
  const last: JWKSCacheInput = {};
  let askedAt = Number.NEGATIVE_INFINITY;
  const keyOf = createRemoteJWKSet(url, {
    ...(authorization !== undefined && { headers: { authorization } }),
    timeoutDuration: timeoutMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: staleMs,
    [jwksCache]: last,
    async [customFetch](address, options) {
      if (isWithin(cooldownMs, askedAt)) throw new Error('the token issuer failed a moment ago');
      askedAt = Date.now();
      return readWhole(await fetch(address, options));
    },
  });

  /** One request waits for the answer; the others, and all while the issuer is down, do not. */
  async function refresh(): Promise<void> {
    const answeredAt = last.uat;
    if (answeredAt === undefined || isWithin(freshMs, answeredAt)) return;
    if (isWithin(cooldownMs, askedAt)) return;
    const isDown = askedAt > answeredAt;
    const asked = keyOf.reload().catch(onFailed);
    if (!isDown) await asked;
  }

  async function find(kid: unknown, alg: unknown): Promise<string> {
    if (!isAccepted(alg)) throw new TokenError('algorithm');
    if (typeof kid !== 'string') throw new TokenError('unknown kid');
    try {
      await refresh();
      return toPem(await keyOf({ kid, alg }));
    } catch (error) {
      if (saysNoSuchKey(error)) throw new TokenError('unknown kid');
      const detail = 'The token issuer did not answer.';
      throw new RequestProblem('UNAVAILABLE', detail, { retryAfter: 5 }, error);
    }
  }

  return { find, fetchNow: () => keyOf.reload() };
}

/** `fetch` takes no address with a password, and would name it in its refusal. */
function splitCredentials(jwksUrl: string) {
  const url = new URL(jwksUrl);
  const credentials = [url.username, url.password].map(decodeURIComponent).join(':');
  if (credentials === ':') return { url };
  url.username = '';
  url.password = '';
  return { url, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** Also where the clock was set back meanwhile. */
function isWithin(milliseconds: number, since: number): boolean {
  return Math.abs(Date.now() - since) < milliseconds;
}

/** A key set is a few kilobytes; whatever else comes from there must not fill the memory. */
async function readWhole(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new Error(`the token issuer sent more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status });
}

function toPem(published: CryptoKey): string {
  const key = KeyObject.from(published);
  const { modulusLength = minRsaBits } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < minRsaBits)
    throw new Error(`an RSA key of ${modulusLength} bits is too short`);
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/** The issuer answered, and has no one key that this token could be signed with. */
function saysNoSuchKey(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function isAccepted(alg: unknown): alg is (typeof issuerAlgorithms)[number] {
  return issuerAlgorithms.some((accepted) => accepted === alg);
}
