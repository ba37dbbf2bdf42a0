import type { Batch } from '../domain/decide/batch.ts';

type Sized = Pick<Batch, 'events' | 'bytes'>;

/** How much batches add up to, for a bound that always has room for one. */
export class BatchTotals {
  #events = 0;
  #bytes = 0;

  get events(): number {
    return this.#events;
  }

  takes(batch: Sized, maxEvents: number, maxBytes: number): boolean {
    if (this.#events === 0) return true;
    return this.#events + batch.events.length <= maxEvents && this.#bytes + batch.bytes <= maxBytes;
  }

  add({ events, bytes }: Sized): void {
    this.#events += events.length;
    this.#bytes += bytes;
  }

  remove({ events, bytes }: Sized): void {
    this.#events -= events.length;
    this.#bytes -= bytes;
  }
}
