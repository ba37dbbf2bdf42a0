import { type EventFailure, retryOf } from '../errors.ts';
import { entityKey } from '../protocol/record.ts';
import type { DecodedEvent } from './decode.ts';

/** The entities of a batch of which an event has to be sent again, so that later ones wait for it. */
export class Waiting {
  readonly #failed = new Set<string>();
  readonly #gaps = new Set<string>();

  add(event: DecodedEvent, failure: EventFailure): void {
    // One that was itself held back waits for the same event, and holds back nobody else.
    if (!retryOf(failure).retryable || this.holds(event)) return;
    const entities = failure.code === 'SEQUENCE_GAP' ? this.#gaps : this.#failed;
    entities.add(entityKey(event));
  }

  /**
   * Behind a gap only those wait that have no number. The others keep their order by it, and one of
   * them may be what closes the gap.
   */
  holds(event: DecodedEvent): boolean {
    const key = entityKey(event);
    return this.#failed.has(key) || (this.#gaps.has(key) && !event.definition.ordered);
  }
}
