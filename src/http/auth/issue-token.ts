import { createSigner } from 'fast-jwt';
import type { AuthConfig } from '../../config/config.ts';

export interface TokenRequest {
  readonly tenant: string;
  /** Null for a token without a device claim. */
  readonly device: string | null;
  readonly subject: string;
  /** Separated by spaces. */
  readonly scope: string;
  readonly ttlMs: number;
}

/** The settings that a token is signed with. */
export type SignerConfig =
  | Pick<Extract<AuthConfig, { mode: 'jwks' }>, 'mode'>
  | Pick<
      Extract<AuthConfig, { mode: 'secret' }>,
      'mode' | 'secret' | 'claims' | 'issuer' | 'audience'
    >;

export const allScopes = 'sync:push sync:pull';

/**
 * Signs a token that this service accepts: for development, tests and manual calls.
 *
 * @throws Error if an external issuer signs the tokens (JWKS_URL)
 */
export function issueToken(config: SignerConfig, request: TokenRequest): string {
  if (config.mode === 'jwks') {
    throw new Error('JWKS_URL is set: tokens come from its issuer, this service cannot sign them');
  }
  const { claims } = config;
  const sign = createSigner({
    key: config.secret,
    algorithm: 'HS256',
    expiresIn: request.ttlMs,
    ...(config.issuer !== undefined && { iss: config.issuer }),
    ...(config.audience !== undefined && { aud: config.audience }),
  });
  return sign({
    [claims.scopes[0] ?? 'scope']: request.scope,
    ...(request.device !== null && { [claims.device]: request.device }),
    [claims.subject]: request.subject,
    // The tenant comes last. If tenant and subject share a claim, it has the tenant.
    [claims.tenant]: request.tenant,
  });
}
