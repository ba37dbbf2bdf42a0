import { z } from 'zod';
import type { EntityRef } from '../../domain/record.ts';
import { accept, patchRecord, putRecord, reject } from '../../domain/kinds/decisions.ts';
import type { KindFailures } from '../../domain/kinds/define-kind.ts';
import type { Decision, EventContext, Records } from '../../domain/kinds/intent.ts';
import type { Category, Price } from './catalogue.ts';
import { creditsOf } from './empire.ts';
import { isOwnedBy } from './location.ts';

/** What a player asks for, with its price. */
export interface Order {
  readonly empireId: string;
  readonly locationCoord: string;
  readonly category: Category;
  readonly catalogKey: string;
  readonly quantity: number;
  /** Of one piece. */
  readonly price: Price;
}

/**
 * Credits come in with time, so what cannot be paid now may be paid later: worth another try. An
 * order that already runs is not: the player has what was asked for.
 */
export const orderFailures: KindFailures = {
  INSUFFICIENT_RESOURCES: {
    retryable: true,
    retryAfterMs: 30_000,
    cause: 'The empire has fewer credits than the order costs, now that it arrives.',
    remedy:
      'Keep the event and send it again later, up to three times; then show it to the player.',
  },
  ALREADY_IN_PROGRESS: {
    retryable: false,
    cause: 'The same is being built, researched or trained at this location already.',
    remedy: 'Drop the event and pull: the queue item says when it completes.',
  },
};

/**
 * One queue item per location and catalogue entry. As each order is an entity of its own, one that
 * cannot be paid yet does not block the others of its batch.
 */
export function queueItemOf({ locationCoord, category, catalogKey }: Order): EntityRef {
  return { entityType: 'queue-item', entityId: `${locationCoord}/${category}/${catalogKey}` };
}

function empireOf({ empireId }: Order): EntityRef {
  return { entityType: 'empire', entityId: empireId };
}

function locationOf({ locationCoord }: Order): EntityRef {
  return { entityType: 'location', entityId: locationCoord };
}

/** All that an order is decided on, beside its own queue item. */
export function readsOf(order: Order): readonly EntityRef[] {
  return [empireOf(order), locationOf(order)];
}

/**
 * Ownership, then what runs already, then credits, all as they stand when the order arrives: nothing
 * that the device believed while it was offline counts. Work starts at that moment, not when the
 * player clicked, or an order queued for a day would be finished before it was paid.
 */
export function decideOrder(order: Order, records: Records, context: EventContext): Decision {
  const empire = records.find('empire', order.empireId);
  if (!empire) return reject('NOT_OWNER', 'no such empire', { path: 'payload.empireId' });
  const location = records.find('location', order.locationCoord);
  if (!location || !isOwnedBy(location, order.empireId)) {
    return reject('NOT_OWNER', 'not a location of this empire', { path: 'payload.locationCoord' });
  }
  const running = findRunning(order, records, context);
  if (running !== undefined) return reject('ALREADY_IN_PROGRESS', `completes at ${running}`);

  const credits = creditsOf(empire);
  const cost = order.price.credits * order.quantity;
  if (credits < cost) {
    return reject('INSUFFICIENT_RESOURCES', `costs ${cost} credits, of which there are ${credits}`);
  }
  return accept(
    patchRecord(empireOf(order), { credits: credits - cost }),
    putRecord(queueItemOf(order), queueItem(order, cost, context.receivedAtMs)),
  );
}

/** When the same order completes, where it still runs. */
function findRunning(order: Order, records: Records, { receivedAtMs }: EventContext) {
  const { entityType, entityId } = queueItemOf(order);
  const item = records.find(entityType, entityId);
  if (!item) return undefined;
  const completesAt = z.iso.datetime().parse(item.data.completesAt);
  return Date.parse(completesAt) > receivedAtMs ? completesAt : undefined;
}

/** @param startedAtMs milliseconds since 1970 */
function queueItem(order: Order, cost: number, startedAtMs: number) {
  const { empireId, locationCoord, category, catalogKey, quantity, price } = order;
  const completesAtMs = startedAtMs + price.seconds * quantity * 1000;
  return {
    empireId,
    locationCoord,
    category,
    catalogKey,
    quantity,
    cost,
    startedAt: new Date(startedAtMs).toISOString(),
    completesAt: new Date(completesAtMs).toISOString(),
  };
}
