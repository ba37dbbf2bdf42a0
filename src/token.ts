import { createSigner } from 'fast-jwt';
import type { AuthConfig } from './config.ts';

export interface TokenRequest {
  readonly tenant: string;
  /** Null for a token without a device. */
  readonly device: string | null;
  readonly subject: string;
  /** Separated by spaces. */
  readonly scope: string;
  readonly ttlMs: number;
}

export const everyScope = 'sync:push sync:pull';

/**
 * Signs a token that this service accepts: for development, tests and hand-made calls.
 *
 * @throws Error where the issuer is somebody else (JWKS_URL)
 */
export function issueToken(config: AuthConfig, request: TokenRequest): string {
  if (config.mode === 'jwks') {
    throw new Error('JWKS_URL is set: tokens come from its issuer, this service cannot sign them');
  }
  const sign = createSigner({
    key: config.secret,
    algorithm: 'HS256',
    expiresIn: request.ttlMs,
    ...(config.issuer !== undefined && { iss: config.issuer }),
    ...(config.audience !== undefined && { aud: config.audience }),
  });
  return sign({
    [config.tenantClaim]: request.tenant,
    sub: request.subject,
    ...(request.device !== null && { device: request.device }),
    scope: request.scope,
  });
}
