import { isUtf8 } from 'node:buffer';
import type { AuthConfig } from '../../config/config.ts';
import { z } from 'zod';
import { type ProblemCode, RequestProblem } from '../../domain/errors.ts';
import { identifierSchema } from '../../domain/identifier.ts';

type Claims = { readonly [name: string]: unknown };

/** A token after its signature was verified. */
export interface DecodedToken {
  readonly input: string;
  readonly header: { readonly typ?: unknown; readonly crit?: unknown; readonly b64?: unknown };
  readonly payload: Claims;
}

const claimsSchema = z.object({
  /** A finite number: a token with `1e999` would never expire. */
  exp: z.number(),
  iat: z.number().optional(),
  /** The signature check has checked its value already. */
  nbf: z.number().optional().catch(undefined),
  subject: identifierSchema.nullish().transform((subject) => subject ?? null),
  device: identifierSchema.nullish().transform((device) => device ?? null),
  /** One text with spaces, as in RFC 8693, or a list. */
  scopes: z.union([z.string().transform((list) => list.split(' ')), z.array(z.string())]),
});

export type TokenClaims = z.infer<typeof claimsSchema>;

/** Why a token is refused. This is for the log: the answer does not tell it. */
export type TokenProblem =
  | 'malformed'
  | 'type'
  | 'extension'
  | 'algorithm'
  | 'unknown kid'
  | 'signature'
  | 'expired'
  | 'not yet valid'
  | 'issuer'
  | 'audience'
  | `claim ${keyof TokenClaims}`
  | 'tenant missing'
  | 'tenant malformed';

/** Refuses a token. The answer has only the code, because the reason would help a forger. */
export class TokenError extends RequestProblem {
  readonly problem: TokenProblem;

  constructor(problem: TokenProblem, code: ProblemCode = 'TOKEN_INVALID') {
    super(code);
    this.problem = problem;
  }
}

const acceptedType = /^(application\/)?(at\+)?jwt$/i;

/** @throws TokenError for what the verification of the signature does not check */
export function assertWellFormed({ input, header }: DecodedToken): void {
  // Invalid UTF-8 is decoded as U+FFFD, so two different tenants could be read as the same one.
  if (!input.split('.').every((part) => isUtf8(Buffer.from(part, 'base64url')))) {
    throw new TokenError('malformed');
  }
  const { typ, crit, b64 } = header;
  // A token for another purpose, such as a logout token, has another type.
  if (typ !== undefined && !(typeof typ === 'string' && acceptedType.test(typ))) {
    throw new TokenError('type');
  }
  // `crit` lists extensions that the verifier must support. Landfall supports none, and no unencoded payload.
  if (crit !== undefined || (b64 !== undefined && b64 !== true)) {
    throw new TokenError('extension');
  }
}

/** @throws TokenError TENANT_REQUIRED if the claim has no valid tenant */
export function readTenant(payload: Claims, claim: string): string {
  const value = readClaim(payload, claim);
  const tenant = identifierSchema.safeParse(value);
  if (tenant.success) return tenant.data;
  const isMissing = value === undefined || value === null;
  throw new TokenError(isMissing ? 'tenant missing' : 'tenant malformed', 'TENANT_REQUIRED');
}

/**
 * Reads every claim but the tenant.
 *
 * @param names the names of the claims in the settings
 * @param defaultScopes the scopes of a token without a scope claim
 * @returns the claims, or the name of the first claim that is invalid
 */
export function readClaims(
  claims: Claims,
  names: AuthConfig['claims'],
  defaultScopes: readonly string[],
):
  | { readonly ok: true; readonly claims: TokenClaims }
  | { readonly ok: false; readonly invalidClaim: keyof TokenClaims } {
  const scopes = names.scopes
    .map((name) => readClaim(claims, name))
    .find((value) => value !== undefined);
  const parsed = claimsSchema.safeParse({
    exp: readClaim(claims, 'exp'),
    iat: readClaim(claims, 'iat'),
    nbf: readClaim(claims, 'nbf'),
    subject: readClaim(claims, names.subject),
    device: readClaim(claims, names.device),
    scopes: scopes === undefined ? defaultScopes : scopes,
  });
  if (parsed.success) return { ok: true, claims: parsed.data };
  // The assertion is safe: the schema reports issues only for its own members.
  return { ok: false, invalidClaim: parsed.error.issues[0]?.path[0] as keyof TokenClaims };
}

/**
 * The claim with this name. If there is none and the name has dots, the name is a path into nested objects.
 * A name with `/` or `:` is a URL or URN and never a path.
 *
 * @returns undefined if there is no such claim; inherited properties are no claims
 */
export function readClaim(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  if (/[/:]/.test(name)) return undefined;
  let value: unknown = claims;
  for (const part of name.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const problemByCode = new Map<string, TokenProblem>([
  ['FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', 'expired'],
  ['FAST_JWT_INACTIVE', 'not yet valid'],
  ['FAST_JWT_INVALID_ALGORITHM', 'algorithm'],
  ['FAST_JWT_MISSING_SIGNATURE', 'signature'],
  ['FAST_JWT_INVALID_CRIT_HEADER', 'extension'],
]);

const problemByClaim = new Map<string | undefined, TokenProblem>([
  ['iss', 'issuer'],
  ['aud', 'audience'],
  ['exp', 'claim exp'],
  ['nbf', 'claim nbf'],
]);

/** Names the problem of an error of the JWT library. The library uses one code for several problems. */
export function toTokenProblem({
  code = '',
  message,
}: {
  code?: string;
  message: string;
}): TokenProblem {
  const [, claim] = /\b(?:The|of) (\w+) claim\b/.exec(message) ?? [];
  const problem = problemByCode.get(code) ?? problemByClaim.get(claim);
  if (problem !== undefined) return problem;
  if (/signature/.test(message)) return 'signature';
  return /\bkey\b/.test(message) ? 'algorithm' : 'malformed';
}
