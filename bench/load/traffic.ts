import type { Answer, Request } from './http.ts';

/** A request, and what becomes of its answer. */
export interface Exchange {
  readonly request: Request;
  /**
   * @returns how many units of work the answer stands for
   * @throws Error where the answer is not the expected one: no refusal may pass for speed
   */
  settle(answer: Answer): number;
}

/** What one system is sent in one scenario. */
export interface Traffic {
  /** The next request of a lane. */
  next(lane: number): Exchange;
  /** Begins again at what was sent since the last `mark`, shared out among all lanes. */
  again?(): Traffic & { readonly size: number };
  mark?(): void;
}

export function refused({ status, body }: Answer): Error {
  return new Error(`not the expected answer: ${status} ${body.toString('utf8', 0, 500)}`);
}
