import { LruMap } from 'toad-cache';
import type { EventOutcome } from '../domain/decide/outcome.ts';
import type { DecodeResult } from '../domain/decide/decode-event.ts';

/** Names of kinds that this server does not know are the clients' own, so there may be any number. */
const maxFailing = 1_000;
const shortestMs = 30_000;
const longestMs = 3_600_000;

/**
 * Since when each kind has been failing in this process: whoever waits for the server waits as long again,
 * so that a kind that is mended soon is asked soon, and one that is not is not asked all the time. An event
 * of the kind that goes well ends it.
 */
export class KindFailureBackoff {
  readonly #since = new LruMap<number>(maxFailing);
  readonly #now: () => number;

  /** @param now milliseconds, on a clock that is never set back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes what a decided batch shows of its kinds, and adds to the outcomes how long to wait for the server. */
  tell(
    events: readonly DecodeResult[],
    outcomes: readonly EventOutcome[],
  ): readonly EventOutcome[] {
    if (this.#since.size === 0 && !outcomes.some(isFailing)) return outcomes;
    for (const [index, outcome] of outcomes.entries()) this.#note(events[index], outcome);
    return outcomes.map((outcome) => this.#withWait(outcome));
  }

  #note(event: DecodeResult | undefined, outcome: EventOutcome): void {
    if (isFailing(outcome)) {
      const { failing } = outcome.failure;
      if (this.#since.get(failing) === undefined) this.#since.set(failing, this.#now());
      return;
    }
    const wentWell = ['applied', 'noop', 'superseded'].includes(outcome.status);
    if (wentWell && outcome.fault === undefined && event?.ok) this.#since.delete(event.event.kind);
  }

  #withWait(outcome: EventOutcome): EventOutcome {
    if (!isFailing(outcome)) return outcome;
    const now = this.#now();
    const lastedMs = now - (this.#since.get(outcome.failure.failing) ?? now);
    const retryAfterMs = Math.round(Math.min(Math.max(lastedMs, shortestMs), longestMs));
    return { ...outcome, failure: { ...outcome.failure, retryAfterMs } };
  }
}

type Failed = Extract<EventOutcome, { status: 'failed' }>;
type Failing = Failed & { readonly failure: Failed['failure'] & { readonly failing: string } };

function isFailing(outcome: EventOutcome): outcome is Failing {
  return (
    outcome.status === 'failed' &&
    'failing' in outcome.failure &&
    outcome.failure.failing !== undefined
  );
}
