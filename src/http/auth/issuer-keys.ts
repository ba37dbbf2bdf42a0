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
import { TokenError } from './token.ts';

export const issuerAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** The time in which the issuer must answer, including the body. */
const timeoutMs = 5_000;
/** The minimum time between two fetches, independent of the tokens that arrive and of the issuer's answer. */
const cooldownMs = 5_000;
/** How long a key is accepted after the issuer has withdrawn it. */
const freshMs = 10 * 60_000;
/** How long keys are accepted while the issuer does not answer. */
const staleMs = 60 * 60_000;
const maxBytes = 1_048_576;
/** RFC 7518, 3.3. */
const minRsaBits = 2048;

/**
 * Caches the keys that an issuer publishes at `jwksUrl`. A user and password in the URL are sent as Basic
 * authentication. If the issuer stops answering, its last keys stay valid for an hour.
 *
 * @param onFailed called for every failed attempt to refresh the keys
 * @returns `find` returns the public key for a token's `kid` and `alg`, as PEM. It throws RequestProblem
 *   TOKEN_INVALID if the issuer has no such key. It throws UNAVAILABLE if the issuer does not answer, or if
 *   its key is not secure. `fetchNow` fetches the keys before the first token. It throws if that fails
 */
export function createIssuerKeys(jwksUrl: string, onFailed: (error: unknown) => void) {
  const { url, authorization } = splitCredentials(jwksUrl);
  const cache: JWKSCacheInput = {};
  let fetchedAt = Number.NEGATIVE_INFINITY;
  const keySet = createRemoteJWKSet(url, {
    ...(authorization !== undefined && { headers: { authorization } }),
    timeoutDuration: timeoutMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: staleMs,
    [jwksCache]: cache,
    async [customFetch](address, options) {
      if (isWithin(cooldownMs, fetchedAt)) throw new Error('the token issuer failed a moment ago');
      fetchedAt = Date.now();
      return readBounded(await fetch(address, options));
    },
  });

  /**
   * Fetches the keys again if they are old. One request waits for the new keys. Other requests use the old
   * keys, and all requests do so while the issuer is down.
   */
  async function refresh(): Promise<void> {
    const answeredAt = cache.uat;
    if (answeredAt === undefined || isWithin(freshMs, answeredAt)) return;
    if (isWithin(cooldownMs, fetchedAt)) return;
    const isDown = fetchedAt > answeredAt;
    const reloaded = keySet.reload().catch(onFailed);
    if (!isDown) await reloaded;
  }

  async function find(kid: unknown, alg: unknown): Promise<string> {
    if (!isAcceptedAlgorithm(alg)) throw new TokenError('algorithm');
    if (typeof kid !== 'string') throw new TokenError('unknown kid');
    try {
      await refresh();
      return toPem(await keySet({ kid, alg }));
    } catch (error) {
      if (isNoSuchKey(error)) throw new TokenError('unknown kid');
      const detail = 'The token issuer did not answer.';
      throw new RequestProblem('UNAVAILABLE', detail, { retryAfter: 5 }, error);
    }
  }

  return { find, fetchNow: () => keySet.reload() };
}

/** `fetch` rejects a URL with a password, and its error message would show the password. */
function splitCredentials(jwksUrl: string) {
  const url = new URL(jwksUrl);
  const credentials = [url.username, url.password].map(decodeURIComponent).join(':');
  if (credentials === ':') return { url };
  url.username = '';
  url.password = '';
  return { url, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** Uses the absolute difference, because the clock may have been set back. */
function isWithin(milliseconds: number, timestamp: number): boolean {
  return Math.abs(Date.now() - timestamp) < milliseconds;
}

/** A key set has a few kilobytes. The limit protects the memory against any other answer. */
async function readBounded(response: Response): Promise<Response> {
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

/** Whether the issuer answered, but has no key, or several keys, for the token. */
function isNoSuchKey(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function isAcceptedAlgorithm(alg: unknown): alg is (typeof issuerAlgorithms)[number] {
  return issuerAlgorithms.some((algorithm) => algorithm === alg);
}
