import type { ClaimNames } from '../../config/token-settings.ts';
import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';

type Claims = { readonly [name: string]: unknown };

/**
 * The claim of that name or, where there is none and the name has dots, what stands at the end of that
 * path of objects. A URL is a name and no path: its dots do not lead into objects.
 *
 * @returns undefined where nothing stands there; what objects inherit is nothing
 */
export function readClaim(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  if (/[/:]/.test(name)) return undefined;
  let found: unknown = claims;
  for (const part of name.split('.')) {
    if (!isObject(found) || !Object.hasOwn(found, part)) return undefined;
    found = found[part];
  }
  return found;
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const claimsSchema = z.object({
  /** Finite: `1e999` would never pass. */
  exp: z.number(),
  iat: z.number().optional(),
  /** Checked with the signature. */
  nbf: z.number().optional().catch(undefined),
  subject: identifierSchema.nullish().transform((subject) => subject ?? null),
  device: identifierSchema.nullish().transform((device) => device ?? null),
  /** One text, as in RFC 8693, or a list. */
  scopes: z.union([z.string().transform((list) => list.split(' ')), z.array(z.string())]),
});

export type TokenClaims = z.infer<typeof claimsSchema>;

/**
 * Reads what a token says beside its tenant.
 *
 * @param defaultScopes of tokens that name none
 * @returns the claims, or the name of the first that cannot be read
 */
export function readClaims(
  claims: Claims,
  names: ClaimNames,
  defaultScopes: readonly string[],
):
  | { readonly ok: true; readonly claims: TokenClaims }
  | { readonly ok: false; readonly fault: keyof TokenClaims } {
  const given = names.scopes
    .map((name) => readClaim(claims, name))
    .find((scopes) => scopes !== undefined);
  const parsed = claimsSchema.safeParse({
    exp: readClaim(claims, 'exp'),
    iat: readClaim(claims, 'iat'),
    nbf: readClaim(claims, 'nbf'),
    subject: readClaim(claims, names.subject),
    device: readClaim(claims, names.device),
    scopes: given === undefined ? defaultScopes : given,
  });
  if (parsed.success) return { ok: true, claims: parsed.data };
  // Sound: the schema's own members are all that it can find at fault.
  return { ok: false, fault: parsed.error.issues[0]?.path[0] as keyof TokenClaims };
}
