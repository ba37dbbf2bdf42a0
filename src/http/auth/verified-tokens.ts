import { LruMap } from 'toad-cache';

/** When a token is good: milliseconds since 1970, by this clock. */
export interface VerifiedToken {
  readonly from: number;
  readonly until: number;
}

interface Bearer {
  readonly headers: { readonly authorization?: string | undefined };
}

/** The latest: some megabytes, as a token is some hundred characters; were each as long as a header may be, 80. */
const maxTokens = 5_000;

/**
 * Verifies a token once for all the requests that bring it. Its time is looked at each time; all else
 * that makes it good is in its own bytes and in a secret that stays the same as long as the process does.
 */
export function cacheVerifiedTokens<Request extends Bearer, Token extends VerifiedToken>(
  verify: (request: Request) => Promise<Token>,
): (request: Request) => Promise<Token> {
  const known = new LruMap<Token>(maxTokens);
  return async (request) => {
    const { authorization } = request.headers;
    const found = known.get(authorization);
    const now = Date.now();
    if (found && found.from <= now && now <= found.until) return found;
    const verified = await verify(request);
    known.set(authorization, verified);
    return verified;
  };
}
