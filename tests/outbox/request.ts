import type { Problem } from '../../src/protocol/problem.ts';
import type { Server } from './client.ts';

/** No answer, or none that tells what became of the request: send it again, later. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 0, cause?: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The whole request was refused: nothing was decided, and the queue is as it was. */
export class RefusedError extends Error {
  override readonly name: string = 'RefusedError';
  readonly status: number;
  readonly code: string | undefined;

  /** @param problem what Landfall answers; undefined where the refusal is another's */
  constructor(status: number, problem?: Problem) {
    super(`${status} ${problem?.code}: ${problem?.detail}`);
    this.status = status;
    this.code = problem?.code;
  }
}

/** The user has to sign in again; the queue waits. */
export class SignInError extends RefusedError {
  override readonly name = 'SignInError';
}

/** Timeout, too early, too many: the same request may be taken later. */
const transient = new Set([408, 425, 429]);

/**
 * GET, or POST where there is a body. @returns the answer's JSON
 * @throws UnavailableError, SignInError, RefusedError, and whatever `token` throws
 */
export async function request(server: Server, path: string, body?: object) {
  const { url, token, fetch = globalThis.fetch } = server;
  const headers = { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' };
  const send = { headers, signal: AbortSignal.timeout(30_000) };
  const post = { ...send, method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(url + path, body ? post : send).catch((cause: unknown) => {
    throw new UnavailableError('no answer', 0, cause);
  });
  const { status } = response;
  const answer = await response
    .text()
    .then(JSON.parse)
    .catch(() => undefined);
  if (status === 200 && answer) return answer;
  // Success without JSON broke off, or is from a hotel's sign-in page or the like.
  if (status < 400 || status >= 500 || transient.has(status)) {
    const retryAfter = Number(response.headers.get('retry-after')) || 0;
    throw new UnavailableError(`answered ${status}`, retryAfter * 1_000);
  }
  throw new (status === 401 ? SignInError : RefusedError)(status, answer);
}
