import { type EventFailure, retryOf } from '../errors.ts';
import { entityKey } from '../record.ts';
import type { DecodedEvent, UndecodedEvent } from './decode-event.ts';

/**
 * The entities of a batch of which an event has to be sent again, so that later ones wait for it; each with
 * why that event failed.
 */
export class BlockedEntities {
  readonly #failed = new Map<string, EventFailure>();
  readonly #gaps = new Map<string, EventFailure>();
  readonly #types = new Map<string, EventFailure>();

  add(event: DecodedEvent, failure: EventFailure): void {
    // One that was itself held back waits for the same event, and holds back nobody else.
    if (!retryOf(failure).retryable || this.find(event)) return;
    const entities = failure.code === 'SEQUENCE_GAP' ? this.#gaps : this.#failed;
    entities.set(entityKey(event), failure);
  }

  /** One that its kind could not read. Where its entity is not known, its type is blocked. */
  addUndecoded({ failure, blocks: holdsBack }: UndecodedEvent): void {
    if (!holdsBack) return;
    if ('entityId' in holdsBack) this.#failed.set(entityKey(holdsBack), failure);
    else for (const entityType of holdsBack.entityTypes) this.#types.set(entityType, failure);
  }

  /**
   * Why the event failed that this one has to wait for.
   *
   * Behind a gap only those wait that have no number. The others keep their order by it, and one of
   * them may be what closes the gap.
   */
  find(event: DecodedEvent): EventFailure | undefined {
    const key = entityKey(event);
    return (
      this.#failed.get(key) ??
      this.#types.get(event.entityType) ??
      (event.definition.ordered ? undefined : this.#gaps.get(key))
    );
  }
}
