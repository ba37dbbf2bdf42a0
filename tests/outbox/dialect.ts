import type { EventResult } from '../../src/protocol/push.ts';
import type { Failure, SentEvent } from './queue.ts';

/** How one family of clients writes what it has queued, and names it in the answer. */
export interface Dialect {
  readonly path: string;
  /** The body of a push. Pure: the server knows a retry by its content. */
  readonly write: (events: readonly SentEvent[], sentAt: string) => object;
  /** The field by which `failed` and `results` name an event. */
  readonly key: 'identityKey' | 'clientRequestId' | 'id';
}

type Named = { readonly [Key in Dialect['key']]?: string | null };

/** What is read of an answer. Without `results`, losers show until the next pull. */
export interface Answer {
  readonly processed: readonly string[];
  readonly failed: readonly (Failure & Named)[];
  readonly results?: readonly (Omit<EventResult, 'identityKey'> & Named)[];
}

/** The protocol's own: what new clients should speak. */
export const plain: Dialect = {
  path: '/api/sync/events?include=results',
  write: (events, sentAt) => ({ sentAt, events }),
  key: 'identityKey',
};
