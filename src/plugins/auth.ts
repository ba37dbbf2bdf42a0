import { isUtf8 } from 'node:buffer';
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt';
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { z } from 'zod';
import type { AuthConfig } from '../config.ts';
import { RequestProblem } from '../errors.ts';
import { createIssuerKeys, issuerAlgorithms } from '../issuer-keys.ts';
import { rememberTokens, type Verified } from '../known-tokens.ts';
import { identifierSchema } from '../protocol/text.ts';

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

const tokenSchema = z.object({
  /** Bytes that are no UTF-8 would all read as U+FFFD, and two tenants as one. */
  input: z
    .string()
    .refine((input) => input.split('.').every((part) => isUtf8(Buffer.from(part, 'base64url')))),
  header: z.object({
    /** A token made for another purpose, such as a logout, says so. */
    typ: z.stringFormat('token type', /^(application\/)?(at\+)?jwt$/i).optional(),
    /** What must be understood is not: the service knows no extension, an unencoded payload least. */
    crit: z.undefined().optional(),
    b64: z.literal(true).optional(),
  }),
  payload: z.record(z.string(), z.unknown()),
});

const claimsSchema = z.object({
  /** Finite: `1e999` would never pass. */
  exp: z.number(),
  iat: z
    .number()
    .refine((seconds) => seconds * 1000 <= Date.now() + clockToleranceMs)
    .optional(),
  /** Checked with the signature. */
  nbf: z.number().optional().catch(undefined),
  sub: identifierSchema.nullish().transform((sub) => sub ?? null),
  device: identifierSchema.nullish().transform((device) => device ?? null),
  scope: z
    .string()
    .default('')
    .transform((list) => list.split(' ')),
});

/** Checks tokens before a body is read, and gives each request its actor. */
export const auth = plugin<{ config: AuthConfig }>(
  async (app, { config }) => {
    await app.register(jwt, jwtOptions(config, app.log));
    app.decorateRequest('actor');
    const verify = (request: FastifyRequest) => verifyToken(request, config.tenantClaim);
    // Of published keys one may be withdrawn: it is asked for each time.
    const identify = config.mode === 'secret' ? rememberTokens(verify) : verify;
    app.addHook('onRequest', async (request) => {
      const { scope } = request.routeOptions.config;
      if (scope === undefined) return;
      const { actor } = await identify(request);
      if (!actor.scopes.includes(scope)) {
        throw new RequestProblem('FORBIDDEN', `This call needs the scope ${scope}.`);
      }
      request.actor = actor;
    });
  },
  { name: 'auth' },
);

async function verifyToken(
  request: FastifyRequest,
  tenantClaim: string,
): Promise<Verified & { readonly actor: Actor }> {
  const verified = await request.jwtVerify<object>().catch((error) => {
    throw toProblem(error);
  });
  const token = tokenSchema.safeParse(verified);
  const claims = claimsSchema.safeParse(token.data?.payload);
  if (!token.success || !claims.success) throw new RequestProblem('TOKEN_INVALID');
  const tenant = identifierSchema.safeParse(token.data.payload[tenantClaim]);
  if (!tenant.success) throw new RequestProblem('TENANT_REQUIRED');
  const { sub, device, scope: scopes, exp, iat = 0, nbf = 0 } = claims.data;
  return {
    actor: { tenantId: tenant.data, subject: sub, deviceId: device, scopes },
    from: Math.max(iat, nbf) * 1000 - clockToleranceMs,
    until: exp * 1000 + clockToleranceMs,
  };
}

const missing = new Set(['FST_JWT_NO_AUTHORIZATION_IN_HEADER', 'FST_JWT_BAD_REQUEST']);

/** One answer for whatever is wrong with a token: the reason would help only who forges one. */
function toProblem(error: { code?: string }): RequestProblem {
  if (error instanceof RequestProblem) return error;
  return new RequestProblem(missing.has(error.code ?? '') ? 'AUTH_REQUIRED' : 'TOKEN_INVALID');
}

function jwtOptions(config: AuthConfig, log: FastifyBaseLogger): FastifyJWTOptions {
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
    secret: publishedKey(config.jwksUrl, log),
    decode: { complete: true },
    verify: { ...verify, algorithms: [...issuerAlgorithms] },
  };
}

/** The issuer's key for a token. Of the token, only `kid` and `alg` say which. */
function publishedKey(jwksUrl: string, log: FastifyBaseLogger) {
  const keyOf = createIssuerKeys(jwksUrl, (err) =>
    log.warn({ event: 'issuer.failed', err }, 'the keys at hand serve on'),
  );
  return async (_request: FastifyRequest, token: TokenOrHeader): Promise<string> => {
    const { kid, alg } = 'header' in token ? token.header : token;
    return keyOf(kid, alg);
  };
}
