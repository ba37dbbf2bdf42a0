import { type ProblemCode, RequestProblem } from '../../domain/errors.ts';

/** What is wrong with a token, for the log: the answer is the same for all of them. */
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
  | `claim ${'exp' | 'iat' | 'nbf' | 'subject' | 'device' | 'scopes'}`
  | 'tenant missing'
  | 'tenant malformed';

/** A token that is refused. Who is refused hears the code and no more: the reason helps who forges. */
export class TokenError extends RequestProblem {
  readonly fault: TokenProblem;

  constructor(fault: TokenProblem, code: ProblemCode = 'TOKEN_INVALID') {
    super(code);
    this.fault = fault;
  }
}

const faultOfCode = new Map<string, TokenProblem>([
  ['FST_JWT_AUTHORIZATION_TOKEN_EXPIRED', 'expired'],
  ['FAST_JWT_INACTIVE', 'not yet valid'],
  ['FAST_JWT_INVALID_ALGORITHM', 'algorithm'],
  ['FAST_JWT_MISSING_SIGNATURE', 'signature'],
  ['FAST_JWT_INVALID_CRIT_HEADER', 'extension'],
]);

const faultOfClaim = new Map<string | undefined, TokenProblem>([
  ['iss', 'issuer'],
  ['aud', 'audience'],
  ['exp', 'claim exp'],
  ['nbf', 'claim nbf'],
]);

/** What the verifier says of a token, which has one code for several faults. */
export function toTokenProblem({
  code = '',
  message,
}: {
  code?: string;
  message: string;
}): TokenProblem {
  const [, claim] = /\b(?:The|of) (\w+) claim\b/.exec(message) ?? [];
  const fault = faultOfCode.get(code) ?? faultOfClaim.get(claim);
  if (fault !== undefined) return fault;
  if (/signature/.test(message)) return 'signature';
  return /\bkey\b/.test(message) ? 'algorithm' : 'malformed';
}
