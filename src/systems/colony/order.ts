import { z } from 'zod';
import type { EntityRef } from '../../domain/record.ts';
import { accept, patchRecord, putRecord, reject } from '../../domain/kinds/policies/decide.ts';
import type { KindFailures } from '../../domain/errors.ts';
import type { Decision, EventContext, Records } from '../../domain/kinds/intent.ts';
import type { Category, Price } from './catalogue.ts';
import { creditsOf } from './empire.ts';
import { isOwnedBy } from './location.ts';

/** An order of a player, with its price. */
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
 * An empire gets credits over time, so an order that cannot be paid now may be paid later, and can be sent again. An
 * order that already runs must not be sent again: the player has what was ordered.
 */
export const orderFailures: KindFailures = {
  INSUFFICIENT_RESOURCES: {
    retryable: true,
    retryAfterMs: 30_000,
    cause: 'When the order arrived, the empire had fewer credits than it costs.',
    remedy:
      'Keep the event and send it again later, up to three times; then show it to the player.',
  },
  ALREADY_IN_PROGRESS: {
    retryable: false,
    cause: 'The same order is already being built, researched or trained at this location.',
    remedy: 'Drop the event and pull: the queue item contains the time of completion.',
  },
};

/**
 * There is one queue item per location and catalogue entry. Each queue item is an entity of its own, so an order that
 * cannot be paid yet does not block the other orders of its batch.
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

/** The records by which an order is decided, beside its own queue item. */
export function readsOf(order: Order): readonly EntityRef[] {
  return [empireOf(order), locationOf(order)];
}

/**
 * Checks ownership, then whether the order already runs, then the credits, all at the time of arrival: the state that
 * an offline device assumed does not count. The work starts at the time of arrival, not when the player clicked.
 * Otherwise an order that was queued for a day would be finished before it is paid.
 */
export function decideOrder(order: Order, records: Records, context: EventContext): Decision {
  const empire = records.find('empire', order.empireId);
  if (!empire)
    return reject('NOT_OWNER', 'the empire does not exist', { path: 'payload.empireId' });
  const location = records.find('location', order.locationCoord);
  if (!location || !isOwnedBy(location, order.empireId)) {
    return reject('NOT_OWNER', 'the location does not belong to this empire', {
      path: 'payload.locationCoord',
    });
  }
  const running = findRunning(order, records, context);
  if (running !== undefined) return reject('ALREADY_IN_PROGRESS', `completes at ${running}`);

  const credits = creditsOf(empire);
  const cost = order.price.credits * order.quantity;
  if (credits < cost) {
    return reject('INSUFFICIENT_RESOURCES', `costs ${cost} credits, but the empire has ${credits}`);
  }
  return accept(
    patchRecord(empireOf(order), { credits: credits - cost }),
    putRecord(queueItemOf(order), queueItem(order, cost, context.receivedAtMs)),
  );
}

/** When the same order completes; undefined if it does not run. */
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
