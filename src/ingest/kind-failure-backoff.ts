import { LruMap } from 'toad-cache';
import type { DecodeResult } from '../domain/decide/decode-event.ts';
import type { EventOutcome } from '../domain/decide/batch.ts';

/** A client chooses the names of kinds that this server does not know, so there may be any number of them. */
const maxFailingKinds = 1_000;
const minRetryMs = 30_000;
const maxRetryMs = 3_600_000;

/**
 * Says how long clients should wait when a kind fails for a fault of the server. The wait is as long as
 * the kind has been failing in this process, from 30 seconds to an hour. So a kind that is repaired soon is
 * tried soon, and a kind that stays broken is not tried all the time. An event of the kind that succeeds
 * ends the wait.
 */
export class KindFailureBackoff {
  readonly #failingSince = new LruMap<number>(maxFailingKinds);
  readonly #now: () => number;

  /** @param now milliseconds, on a clock that is never set back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes which kinds of a decided batch have failed or succeeded, and adds `retryAfterMs` to the failures. */
  addRetryDelays(
    events: readonly DecodeResult[],
    outcomes: readonly EventOutcome[],
  ): readonly EventOutcome[] {
    if (this.#failingSince.size === 0 && !outcomes.some(isKindFailure)) return outcomes;
    for (const [index, outcome] of outcomes.entries()) this.#note(events[index], outcome);
    return outcomes.map((outcome) => this.#withRetryDelay(outcome));
  }

  #note(event: DecodeResult | undefined, outcome: EventOutcome): void {
    if (isKindFailure(outcome)) {
      const { failing } = outcome.failure;
      if (this.#failingSince.get(failing) === undefined) {
        this.#failingSince.set(failing, this.#now());
      }
      return;
    }
    const hasSucceeded = ['applied', 'noop', 'superseded'].includes(outcome.status);
    if (hasSucceeded && outcome.fault === undefined && event?.ok) {
      this.#failingSince.delete(event.event.kind);
    }
  }

  #withRetryDelay(outcome: EventOutcome): EventOutcome {
    if (!isKindFailure(outcome)) return outcome;
    const now = this.#now();
    const failingForMs = now - (this.#failingSince.get(outcome.failure.failing) ?? now);
    const retryAfterMs = Math.round(Math.min(Math.max(failingForMs, minRetryMs), maxRetryMs));
    return { ...outcome, failure: { ...outcome.failure, retryAfterMs } };
  }
}

type FailedOutcome = Extract<EventOutcome, { status: 'failed' }>;
type KindFailureOutcome = FailedOutcome & {
  readonly failure: FailedOutcome['failure'] & { readonly failing: string };
};

function isKindFailure(outcome: EventOutcome): outcome is KindFailureOutcome {
  return (
    outcome.status === 'failed' &&
    'failing' in outcome.failure &&
    outcome.failure.failing !== undefined
  );
}
