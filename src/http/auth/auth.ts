import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { LruMap } from 'toad-cache';
import type { AuthConfig } from '../../config/config.ts';
import { RequestProblem } from '../../domain/errors.ts';
import { createIssuerKeys, issuerAlgorithms } from './issuer-keys.ts';
import {
  assertWellFormed,
  type DecodedToken,
  readClaims,
  readTenant,
  TokenError,
  toTokenProblem,
} from './token.ts';

export type Scope = 'sync:push' | 'sync:pull';

/** The sender of a request, from its token. Every read and write of the request is limited to `tenantId`. */
export interface Actor {
  readonly tenantId: string;
  readonly subject: string | null;
  readonly deviceId: string | null;
  /** All scopes of the token. Some kinds require a scope of their own. */
  readonly scopes: readonly string[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that has a `scope`. */
    actor: Actor;
  }
  interface FastifyContextConfig {
    /** The scope that a token needs for this route. A route without a scope is public. */
    readonly scope?: Scope;
  }
}

/** The period in which a token is valid, in milliseconds since 1970 on the clock of this process. */
export interface VerifiedToken {
  readonly from: number;
  readonly until: number;
}

interface WithAuthorization {
  readonly headers: { readonly authorization?: string | undefined };
}

/** The maximum difference between the clocks of the issuer and of this process. */
const clockToleranceMs = 30_000;
/**
 * The maximum of cached tokens. A token of some hundred characters takes some megabytes in total. Tokens of
 * the maximum header size take 80 MB.
 */
const maxCachedTokens = 5_000;

/** Verifies the token before the body is read, and sets the actor of the request. */
export const auth = plugin<{ config: AuthConfig }>(
  async (app, { config }) => {
    await app.register(jwt, jwtOptions(config, app));
    app.decorateRequest('actor');
    const verify = (request: FastifyRequest) => verifyToken(request, config);
    // An issuer can withdraw a published key, so a token of an issuer is verified each time.
    const identify = config.mode === 'secret' ? cacheVerifiedTokens(verify) : verify;
    app.addHook('onRequest', (request, _reply, done) => {
      const { scope } = request.routeOptions.config;
      if (scope === undefined) return done();
      const accept = ({ actor }: { readonly actor: Actor }) => {
        request.actor = actor;
        done(actor.scopes.includes(scope) ? undefined : missingScope(scope));
      };
      const refuse = (error: Error) => {
        if (error instanceof TokenError) request.logFields.tokenFault = error.problem;
        done(error);
      };
      // Most tokens are known, and then nothing has to be waited for.
      const identified = identify(request);
      if (!(identified instanceof Promise)) return accept(identified);
      identified.then(accept, refuse);
    });
  },
  { name: 'auth', dependencies: ['observability'] },
);

function missingScope(scope: Scope): RequestProblem {
  return new RequestProblem('FORBIDDEN', `This call needs the scope ${scope}.`);
}

/**
 * Verifies each token once and caches the result. Only the current time is checked for every request. The
 * rest of the verification depends on the token and on a secret that is constant for the process.
 */
export function cacheVerifiedTokens<Request extends WithAuthorization, Token extends VerifiedToken>(
  verify: (request: Request) => Promise<Token>,
): (request: Request) => Token | Promise<Token> {
  const cache = new LruMap<Token>(maxCachedTokens);
  return (request) => {
    const { authorization } = request.headers;
    const cached = cache.get(authorization);
    const now = Date.now();
    if (cached && cached.from <= now && now <= cached.until) return cached;
    return verify(request).then((verified) => {
      cache.set(authorization, verified);
      return verified;
    });
  };
}

async function verifyToken(
  request: FastifyRequest,
  config: AuthConfig,
): Promise<VerifiedToken & { readonly actor: Actor }> {
  const token = await request.jwtVerify<DecodedToken>().catch((error) => {
    throw toRequestProblem(error);
  });
  assertWellFormed(token);
  const { payload } = token;
  const read = readClaims(payload, config.claims, config.defaultScopes);
  if (!read.ok) throw new TokenError(`claim ${read.invalidClaim}`);
  const { subject, device: deviceId, scopes, exp, iat = 0, nbf = 0 } = read.claims;
  if (iat * 1000 > Date.now() + clockToleranceMs) throw new TokenError('not yet valid');
  const tenantId = readTenant(payload, config.claims.tenant);
  return {
    actor: { tenantId, subject, deviceId, scopes },
    from: Math.max(iat, nbf) * 1000 - clockToleranceMs,
    until: exp * 1000 + clockToleranceMs,
  };
}

const missingTokenCodes = new Set(['FST_JWT_NO_AUTHORIZATION_IN_HEADER', 'FST_JWT_BAD_REQUEST']);

/** Every invalid token gets the same answer, because the reason would help only a forger. */
function toRequestProblem(error: Error & { code?: string }): RequestProblem {
  if (error instanceof RequestProblem) return error;
  if (missingTokenCodes.has(error.code ?? '')) return new RequestProblem('AUTH_REQUIRED');
  return new TokenError(toTokenProblem(error));
}

function jwtOptions(config: AuthConfig, app: FastifyInstance): FastifyJWTOptions {
  const { issuer, audience } = config;
  // The library checks a claim only if the token has it. So every claim that is checked is also required.
  const verify = {
    complete: true,
    clockTolerance: clockToleranceMs,
    requiredClaims: ['exp', ...(issuer ? ['iss'] : []), ...(audience ? ['aud'] : [])],
    ...(issuer !== undefined && { allowedIss: issuer }),
    ...(audience !== undefined && { allowedAud: audience }),
  };
  if (config.mode === 'secret') {
    return { secret: config.secret, verify: { ...verify, algorithms: ['HS256'] } };
  }
  return {
    secret: publishedKey(config.jwksUrl, app),
    decode: { complete: true },
    verify: { ...verify, algorithms: [...issuerAlgorithms] },
  };
}

/** Finds the issuer's key for a token. Only `kid` and `alg` of the token choose the key. */
function publishedKey(jwksUrl: string, app: FastifyInstance) {
  const { log } = app;
  const keys = createIssuerKeys(jwksUrl, (err) =>
    log.warn({ event: 'issuer.failed', err }, 'the issuer failed: its last keys stay in use'),
  );
  // The first fetch at the start shows a wrong address at once. The service starts in spite of a failure,
  // because the issuer may be down.
  app.addHook('onListen', async () => {
    await keys.fetchNow().catch((error) => {
      const line = `JWKS_URL: the issuer did not give its keys, ${reasonOf(error)}: tokens are answered 503 until it does`;
      log.warn({ event: 'issuer.failed' }, line);
    });
  });
  return async (_request: FastifyRequest, token: TokenOrHeader): Promise<string> => {
    const { kid, alg } = 'header' in token ? token.header : token;
    return keys.find(kid, alg);
  };
}

/** One line of text. An error of `fetch` has its reason in its cause. */
function reasonOf(error: Error & { readonly cause?: { readonly code?: string } }): string {
  return error.cause?.code ?? error.message.split('\n', 1)[0] ?? '';
}
