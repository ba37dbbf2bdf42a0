import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind, type Kind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { decide } from '../../domain/kinds/policies/decide.ts';
import { type Category, catalogue, type Price } from './catalogue.ts';
import { locationCoordSchema } from './location.ts';
import { decideOrder, type Order, orderFailures, queueItemOf, readsOf } from './order.ts';

interface Prices {
  readonly [catalogKey: string]: Price;
}

/** An unknown catalogue key is INVALID_PAYLOAD, before any record is read. */
const orderSchema = (prices: Prices) =>
  z.strictObject({
    empireId: identifierSchema,
    locationCoord: locationCoordSchema,
    catalogKey: z.enum(Object.keys(prices)),
  });

const unitOrderSchema = orderSchema(catalogue.unit).extend({
  quantity: z.int().min(1).max(1_000).default(1),
});

type SentOrder = Pick<Order, 'empireId' | 'locationCoord' | 'catalogKey'> & {
  readonly quantity?: number;
};

/** Orders a building. */
export const structureBuild = orderKind('structure.build', 'structure', {
  schema: orderSchema(catalogue.structure),
  prices: catalogue.structure,
});

/** Orders a technology. */
export const researchQueue = orderKind('research.queue', 'research', {
  schema: orderSchema(catalogue.research),
  prices: catalogue.research,
});

/** Orders 1 to 1000 units of one type, paid and trained as one. */
export const unitTrain = orderKind('unit.train', 'unit', {
  schema: unitOrderSchema,
  prices: catalogue.unit,
});

/** The three kinds of orders differ in their part of the catalogue, and in whether several pieces can be ordered. */
function orderKind(
  name: string,
  category: Category,
  { schema, prices }: { readonly schema: z.ZodType<SentOrder>; readonly prices: Prices },
): Kind {
  const toOrder = ({ quantity = 1, ...sent }: SentOrder): Order => {
    const price = prices[sent.catalogKey];
    if (!price) throw new Error(`${sent.catalogKey} is not in the catalogue`);
    return { ...sent, category, quantity, price };
  };
  return defineKind({
    name,
    entityType: 'queue-item',
    payload: payload(schema),
    entityId: (sent) => queueItemOf(toOrder(sent)).entityId,
    policy: decide({
      reads: (sent) => readsOf(toOrder(sent)),
      decide: (sent, records, context) => decideOrder(toOrder(sent), records, context),
    }),
    failures: orderFailures,
  });
}
