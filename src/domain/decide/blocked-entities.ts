import { EntityMap } from '../entity-map.ts';
import { type EventFailure, retryOf } from '../errors.ts';
import type { DecodedEvent, UndecodedEvent } from './decode-event.ts';

/**
 * The entities of a batch for which an event failed and has to be sent again. Later events of the batch for such an
 * entity wait for it. Each entity is stored with the failure of that event.
 */
export class BlockedEntities {
  readonly #failed = new EntityMap<EventFailure>();
  readonly #gaps = new EntityMap<EventFailure>();
  readonly #types = new Map<string, EventFailure>();

  add(event: DecodedEvent, failure: EventFailure): void {
    // If the entity is blocked already, the event itself waits for the same earlier event.
    if (!retryOf(failure).retryable || this.find(event)) return;
    const entities = failure.code === 'SEQUENCE_GAP' ? this.#gaps : this.#failed;
    entities.set(event, failure);
  }

  /** Adds an event that could not be interpreted. If its entity is not known, all entities of its type are blocked. */
  addUndecoded({ failure, blocks }: UndecodedEvent): void {
    if (!blocks) return;
    if ('entityId' in blocks) this.#failed.set(blocks, failure);
    else for (const entityType of blocks.entityTypes) this.#types.set(entityType, failure);
  }

  /**
   * The failure of the event that this one has to wait for; undefined if it need not wait.
   *
   * Behind a sequence gap, only events of kinds without a sequence wait. The others keep their order by their number,
   * and one of them may close the gap.
   */
  find(event: DecodedEvent): EventFailure | undefined {
    return (
      this.#failed.get(event) ??
      this.#types.get(event.entityType) ??
      (event.definition.ordered ? undefined : this.#gaps.get(event))
    );
  }
}
