import { isUtf8 } from 'node:buffer';
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import type { AuthConfig } from '../../config/config.ts';
import { RequestProblem } from '../../domain/errors.ts';
import { createIssuerKeys, issuerAlgorithms } from './issuer-keys.ts';
import { cacheVerifiedTokens, type VerifiedToken } from './verified-tokens.ts';
import { identifierSchema } from '../../domain/identifier.ts';
import { readClaim, readClaims } from './token-claims.ts';
import { TokenError, toTokenProblem } from './token-error.ts';

export type Scope = 'sync:push' | 'sync:pull';

/** Who sends a request, by its token. Everything it reads or writes is under `tenantId`. */
export interface Actor {
  readonly tenantId: string;
  readonly subject: string | null;
  readonly deviceId: string | null;
  /** All that the token allows, as some kinds need a scope of their own. */
  readonly scopes: readonly string[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that names a `scope`. */
    actor: Actor;
  }
  interface FastifyContextConfig {
    /** The scope a token needs for this route; routes without one are public. */
    readonly scope?: Scope;
  }
}

/** How far the issuer's clock may be from this one's. */
const clockToleranceMs = 30_000;

const tokenType = /^(application\/)?(at\+)?jwt$/i;

interface DecodedToken {
  readonly input: string;
  readonly header: { readonly typ?: unknown; readonly crit?: unknown; readonly b64?: unknown };
  readonly payload: { readonly [name: string]: unknown };
}

/** Checks tokens before a body is read, and gives each request its actor. */
export const auth = plugin<{ config: AuthConfig }>(
  async (app, { config }) => {
    await app.register(jwt, jwtOptions(config, app));
    app.decorateRequest('actor');
    const verify = (request: FastifyRequest) => verifyToken(request, config);
    // Of published keys one may be withdrawn: it is asked for each time.
    const identify = config.mode === 'secret' ? cacheVerifiedTokens(verify) : verify;
    app.addHook('onRequest', async (request) => {
      const { scope } = request.routeOptions.config;
      if (scope === undefined) return;
      const { actor } = await identify(request).catch((error) => {
        if (error instanceof TokenError) request.logFields.tokenFault = error.fault;
        throw error;
      });
      if (!actor.scopes.includes(scope)) {
        throw new RequestProblem('FORBIDDEN', `This call needs the scope ${scope}.`);
      }
      request.actor = actor;
    });
  },
  { name: 'auth', dependencies: ['observability'] },
);

async function verifyToken(
  request: FastifyRequest,
  config: AuthConfig,
): Promise<VerifiedToken & { readonly actor: Actor }> {
  const verified = await request.jwtVerify<DecodedToken>().catch((error) => {
    throw toProblem(error);
  });
  assertWellFormed(verified);
  const { payload } = verified;
  const read = readClaims(payload, config.claims, config.defaultScopes);
  if (!read.ok) throw new TokenError(`claim ${read.fault}`);
  const { subject, device: deviceId, scopes, exp, iat = 0, nbf = 0 } = read.claims;
  if (iat * 1000 > Date.now() + clockToleranceMs) throw new TokenError('not yet valid');
  const tenantId = readTenant(payload, config.claims.tenant);
  return {
    actor: { tenantId, subject, deviceId, scopes },
    from: Math.max(iat, nbf) * 1000 - clockToleranceMs,
    until: exp * 1000 + clockToleranceMs,
  };
}

/** What of a token its signature does not tell. */
function assertWellFormed({ input, header }: DecodedToken): void {
  // Bytes that are no UTF-8 would all read as U+FFFD, and two tenants as one.
  if (!input.split('.').every((part) => isUtf8(Buffer.from(part, 'base64url')))) {
    throw new TokenError('malformed');
  }
  const { typ, crit, b64 } = header;
  // A token made for another purpose, such as a logout, says so.
  if (typ !== undefined && !(typeof typ === 'string' && tokenType.test(typ))) {
    throw new TokenError('type');
  }
  // What must be understood is not: the service knows no extension, an unencoded payload least.
  if (crit !== undefined || (b64 !== undefined && b64 !== true)) {
    throw new TokenError('extension');
  }
}

function readTenant(payload: DecodedToken['payload'], claim: string): string {
  const found = readClaim(payload, claim);
  const tenant = identifierSchema.safeParse(found);
  if (tenant.success) return tenant.data;
  const fault = found === undefined || found === null ? 'tenant missing' : 'tenant malformed';
  throw new TokenError(fault, 'TENANT_REQUIRED');
}

const missing = new Set(['FST_JWT_NO_AUTHORIZATION_IN_HEADER', 'FST_JWT_BAD_REQUEST']);

/** One answer for whatever is wrong with a token: the reason would help only who forges one. */
function toProblem(error: Error & { code?: string }): RequestProblem {
  if (error instanceof RequestProblem) return error;
  if (missing.has(error.code ?? '')) return new RequestProblem('AUTH_REQUIRED');
  return new TokenError(toTokenProblem(error));
}

function jwtOptions(config: AuthConfig, app: FastifyInstance): FastifyJWTOptions {
  const { issuer, audience } = config;
  // A claim is only checked where it is there, so what is checked is also required.
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

/** The issuer's key for a token. Of the token, only `kid` and `alg` say which. */
function publishedKey(jwksUrl: string, app: FastifyInstance) {
  const { log } = app;
  const keys = createIssuerKeys(jwksUrl, (err) =>
    log.warn({ event: 'issuer.failed', err }, 'the keys at hand serve on'),
  );
  // An address that is wrong is seen at once, and not at the first token. The service starts all the same:
  // the issuer may be what is down.
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

/** One line: what `fetch` throws has the reason in its cause. */
function reasonOf(error: Error & { readonly cause?: { readonly code?: string } }): string {
  return error.cause?.code ?? error.message.split('\n', 1)[0] ?? '';
}
