import { KeyObject } from 'node:crypto';
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { createRemoteJWKSet, errors } from 'jose';
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
  const { sub, device, scope: scopes } = claims.data;
  return { tenantId: tenant.data, subject: sub, deviceId: device, scopes };
}

const missing = new Set(['FST_JWT_NO_AUTHORIZATION_IN_HEADER', 'FST_JWT_BAD_REQUEST']);

/** One answer for whatever is wrong with a token: the reason would help only who forges one. */
function toProblem(error: { code?: string }): RequestProblem {
  if (error instanceof RequestProblem) return error;
  return new RequestProblem(missing.has(error.code ?? '') ? 'AUTH_REQUIRED' : 'TOKEN_INVALID');
}

const issuerAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

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
    verify: { ...verify, algorithms: [...issuerAlgorithms] },
  };
}

/**
 * The issuer's key for a token, from the configured address only. Whatever tokens arrive, the key set
 * is fetched at most once in five seconds, and an issuer that stays silent is given up after five.
 */
function jwksSecret(jwksUrl: string) {
  const keyOf = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: 5_000,
    cooldownDuration: 5_000,
  });
  return async (_request: FastifyRequest, token: TokenOrHeader): Promise<string> => {
    const { kid, alg } = 'header' in token ? token.header : token;
    if (kid === undefined || !isAccepted(alg)) throw new RequestProblem('TOKEN_INVALID');
    try {
      const key = KeyObject.from(await keyOf({ kid, alg }));
      return key.export({ type: 'spki', format: 'pem' }).toString();
    } catch (error) {
      if (saysNoSuchKey(error)) throw new RequestProblem('TOKEN_INVALID');
      const detail = 'The token issuer did not answer.';
      throw new RequestProblem('UNAVAILABLE', detail, { retryAfter: 5 }, error);
    }
  };
}

/** The issuer answered, and has no one key that this token could be signed with. */
function saysNoSuchKey(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

function isAccepted(alg: string): boolean {
  return issuerAlgorithms.some((accepted) => accepted === alg);
}
