import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import buildGetJwks from 'get-jwks';
import { z } from 'zod';
import type { AuthConfig } from '../config.ts';
import { RequestProblem } from '../errors.ts';
import { identifierSchema } from '../protocol/text.ts';

export type Scope = 'sync:push' | 'sync:pull';

/** Who sends a request, by its token. Everything it reads or writes is under `tenantId`. */
export interface Actor {
  readonly tenantId: string;
  readonly subject: string | null;
  readonly deviceId: string | null;
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

/** A token made for another purpose, such as a logout, says so in `typ`. */
const tokenSchema = z.object({
  header: z.object({
    typ: z.stringFormat('token type', /^(application\/)?(at\+)?jwt$/i).optional(),
  }),
  payload: z.record(z.string(), z.unknown()),
});

const claimsSchema = z.object({
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
    await app.register(jwt, jwtOptions(config));
    app.decorateRequest('actor');
    app.addHook('onRequest', async (request) => {
      const { scope } = request.routeOptions.config;
      if (scope !== undefined) request.actor = await authenticate(request, scope, config);
    });
  },
  { name: 'auth' },
);

async function authenticate(
  request: FastifyRequest,
  scope: Scope,
  config: AuthConfig,
): Promise<Actor> {
  const verified = await request.jwtVerify<object>().catch((error) => {
    throw toProblem(error);
  });
  const token = tokenSchema.safeParse(verified);
  const claims = claimsSchema.safeParse(token.data?.payload);
  if (!token.success || !claims.success) throw new RequestProblem('TOKEN_INVALID');
  const tenant = identifierSchema.safeParse(token.data.payload[config.tenantClaim]);
  if (!tenant.success) throw new RequestProblem('TENANT_REQUIRED');
  if (!claims.data.scope.includes(scope)) {
    throw new RequestProblem('FORBIDDEN', `This call needs the scope ${scope}.`);
  }
  const { sub, device } = claims.data;
  return { tenantId: tenant.data, subject: sub, deviceId: device };
}

const missing = new Set(['FST_JWT_NO_AUTHORIZATION_IN_HEADER', 'FST_JWT_BAD_REQUEST']);

/** One answer for whatever is wrong with a token: the reason would help only who forges one. */
function toProblem(error: { code?: string }): RequestProblem {
  if (error instanceof RequestProblem) return error;
  return new RequestProblem(missing.has(error.code ?? '') ? 'AUTH_REQUIRED' : 'TOKEN_INVALID');
}

function jwtOptions(config: AuthConfig): FastifyJWTOptions {
  const { issuer, audience } = config;
  // A claim is only checked where it is there, so what is checked is also required.
  const verify = {
    complete: true,
    requiredClaims: ['exp', ...(issuer ? ['iss'] : []), ...(audience ? ['aud'] : [])],
    ...(issuer !== undefined && { allowedIss: issuer }),
    ...(audience !== undefined && { allowedAud: audience }),
  };
  if (config.mode === 'secret') {
    return { secret: config.secret, verify: { ...verify, algorithms: ['HS256'] } };
  }
  return {
    secret: jwksSecret(config.jwksUrl),
    decode: { complete: true },
    verify: { ...verify, algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  };
}

/** The issuer's key by the token's `kid`, from the configured address only, cached for a minute. */
function jwksSecret(jwksUrl: string) {
  const { origin, pathname, search } = new URL(jwksUrl);
  const jwks = buildGetJwks({ jwksPath: pathname + search });
  return async (_request: FastifyRequest, token: TokenOrHeader) => {
    const { kid, alg } = 'header' in token ? token.header : token;
    if (kid === undefined) throw new RequestProblem('TOKEN_INVALID');
    try {
      return await jwks.getPublicKey({ domain: origin, kid, alg });
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'JWK_NOT_FOUND') {
        throw new RequestProblem('TOKEN_INVALID');
      }
      const detail = 'The token issuer did not answer.';
      throw new RequestProblem('UNAVAILABLE', detail, { retryAfter: 5 }, error);
    }
  };
}
