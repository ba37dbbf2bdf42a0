import { z } from 'zod';
import { findSecretProblem, minSecretBytes } from '../jwt-secret.ts';
import { nonEmptyText } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

const secret = z.string().superRefine((text, context) => {
  const problem = findSecretProblem(text);
  if (problem !== undefined) context.addIssue(problem);
});

/** Names of claims with commas between them. */
const claimList = z.string().transform((text, context): readonly string[] => {
  const names = text.split(',').map((name) => name.trim());
  if (!names.includes('')) return names;
  context.addIssue('must be names of claims, with commas between them');
  return z.NEVER;
});

/** Scopes as a token has them, with spaces between them (RFC 6749, section 3.3). */
const scopeList = z.string().transform((text, context): readonly string[] => {
  const scopes = text.split(' ').filter((scope) => scope !== '');
  const wrong = scopes.find((scope) => !/^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/.test(scope));
  if (wrong === undefined) return scopes;
  context.addIssue(`${JSON.stringify(wrong)} is not a scope: separate scopes by spaces`);
  return z.NEVER;
});

/** What each of the next three settings may be. */
const nameOrPath =
  'Either the whole name of the claim (`https://app.example/tenant`), or a path to it ' +
  '(`app_metadata.tenant_id`): see [Tokens](operations.md#tokens).';

const claimSettings = {
  tenant: setting({
    variable: 'JWT_TENANT_CLAIM',
    schema: nonEmptyText,
    default: 'tenant',
    summary: 'The claim of a token that names the tenant.',
    details: nameOrPath,
  }),
  device: setting({
    variable: 'JWT_DEVICE_CLAIM',
    schema: nonEmptyText,
    default: 'device',
    summary: 'The claim of a token that names the device.',
    details: nameOrPath,
  }),
  subject: setting({
    variable: 'JWT_SUBJECT_CLAIM',
    schema: nonEmptyText,
    default: 'sub',
    summary: 'The claim of a token that names the user.',
    details: nameOrPath,
  }),
  scopes: setting({
    variable: 'JWT_SCOPE_CLAIM',
    schema: claimList,
    default: 'scope,scp,permissions',
    summary: 'The claims that may hold the scopes of a token, with commas between them.',
    details: 'The first of them that a token has counts. Its value is a text or a list.',
  }),
};

export const tokenSettings = {
  secret: optionalSetting({
    variable: 'JWT_SECRET',
    schema: secret,
    whenUnset: undefined,
    example: '',
    summary: `A shared secret that signs tokens with HS256: at least ${minSecretBytes} random bytes.`,
    details:
      'The output of `openssl rand -base64 32` is such a secret. Keys of other algorithms, certificates, ' +
      'tokens and addresses are refused, in any encoding. Production needs either it or `JWKS_URL`. ' +
      'Without both, development makes a secret in `DATA_DIR/jwt-secret`, which no other user may read.',
  }),
  jwksUrl: optionalSetting({
    variable: 'JWKS_URL',
    schema: z.url({ protocol: /^https?$/ }),
    whenUnset: undefined,
    example: 'https://issuer.example/.well-known/jwks.json',
    summary: 'The address of the public keys of an issuer that signs the tokens.',
    details:
      'The algorithms are RS256, PS256, ES256 and EdDSA. It needs `JWT_ISSUER` and `JWT_AUDIENCE`, and ' +
      'excludes `JWT_SECRET`. A user and password in it are sent to the issuer as Basic authentication. ' +
      'See [Tokens](operations.md#tokens).',
  }),
  issuer: optionalSetting({
    variable: 'JWT_ISSUER',
    schema: nonEmptyText,
    whenUnset: undefined,
    example: 'https://issuer.example/',
    summary: 'The value that `iss` of a token must have.',
    details: 'Without it `iss` is not checked.',
  }),
  audience: optionalSetting({
    variable: 'JWT_AUDIENCE',
    schema: nonEmptyText,
    whenUnset: undefined,
    example: 'landfall',
    summary: 'The value that `aud` of a token must have or contain.',
    details: 'Without it `aud` is not checked.',
  }),
  claims: claimSettings,
  defaultScopes: optionalSetting({
    variable: 'JWT_DEFAULT_SCOPES',
    schema: scopeList,
    whenUnset: [],
    example: 'sync:push sync:pull',
    summary: 'The scopes of a token that has no claim for them, with spaces between them.',
    details: 'Set it for an issuer that gives its tokens no scopes.',
  }),
};
