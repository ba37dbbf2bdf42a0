import { z } from 'zod';

/** Where in a token it stands what the service asks of it. Each is a claim's name, or a path to one. */
export interface ClaimNames {
  readonly tenant: string;
  readonly device: string;
  readonly subject: string;
  /** The first that a token has says what it allows. */
  readonly scopes: readonly string[];
}

/** Names of claims with commas between them. */
export const claimListSchema = z.string().transform((text, context): readonly string[] => {
  const names = text.split(',').map((name) => name.trim());
  if (!names.includes('')) return names;
  context.addIssue('must be names of claims, with commas between them');
  return z.NEVER;
});

/** Scopes as a token has them, with spaces between them (RFC 6749, 3.3). */
export const scopeListSchema = z.string().transform((text, context): readonly string[] => {
  const scopes = text.split(' ').filter((scope) => scope !== '');
  const wrong = scopes.find((scope) => !/^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/.test(scope));
  if (wrong === undefined) return scopes;
  context.addIssue(`${JSON.stringify(wrong)} is no scope: separate them by spaces`);
  return z.NEVER;
});
