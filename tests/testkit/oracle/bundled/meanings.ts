import type { Fields, Value } from '../last-write-wins.ts';
import type { TicketFact } from './tickets.ts';

/**
 * What the events of the bundled kinds ask for, written down from docs/kinds.md and the README of each
 * system. It shares no code with the service.
 */
export type Meaning = { readonly entityType: string; readonly entityId: string } & (
  | {
      readonly policy: 'put' | 'patch';
      readonly fields: Fields;
      /** The version that the payload itself says it was made on. */
      readonly base?: number;
      /** Two tills' edits of one customer are united. */
      readonly unites?: boolean;
    }
  | { readonly policy: 'remove'; readonly base?: number }
  | { readonly policy: 'fact'; readonly fact: TicketFact }
  | { readonly policy: 'order'; readonly order: Order }
);

export interface Order {
  readonly empireId: string;
  readonly locationCoord: string;
  readonly category: string;
  readonly catalogKey: string;
  readonly quantity: number;
  readonly cost: number;
  readonly seconds: number;
}

export type Payload = { readonly [name: string]: Value };

/** Category, credits and seconds of one piece. */
const prices: Readonly<Record<string, readonly [string, number, number]>> = {
  'metal-refinery': ['structure', 60, 120],
  'solar-plant': ['structure', 80, 180],
  energy: ['research', 100, 300],
  laser: ['research', 250, 600],
  fighter: ['unit', 20, 30],
  scout: ['unit', 35, 45],
};

/** @throws Error for a kind that this model does not describe */
export function meaningOf(kind: string, version: number, payload: Payload): Meaning {
  const [system = '', verb = ''] = kind.split('.');
  switch (system) {
    case 'note':
      return written('note', 'noteId', verb, payload);
    case 'empire':
      return written('empire', 'empireId', verb, payload);
    case 'location':
      return written('location', 'locationCoord', verb, payload);
    case 'shipment':
    case 'quote':
    case 'invoice':
      return written(system, `${system}Id`, verb, payload);
    case 'structure':
    case 'research':
    case 'unit':
      return ordered(payload);
    case 'ticket':
    case 'sale':
      return told(kind, version, payload);
    case 'resource':
      return resource(verb, payload);
    default:
      throw new Error(`the model knows no ${kind}`);
  }
}

const textOf = (value: Value = null) => (typeof value === 'string' ? value : JSON.stringify(value));

function written(entityType: string, idName: string, verb: string, payload: Payload): Meaning {
  const { [idName]: id, ...fields } = payload;
  const about = { entityType, entityId: textOf(id) };
  if (verb === 'remove') return { ...about, policy: 'remove' };
  if (verb === 'create') return { ...about, policy: 'put', fields, base: 0 };
  return { ...about, policy: verb === 'put' ? 'put' : 'patch', fields };
}

function resource(verb: string, payload: Payload): Meaning {
  const { resourceType, resourceId, resourceVersion, data } = payload;
  const about = {
    entityType: 'resource',
    entityId: `${textOf(resourceType)}/${textOf(resourceId)}`,
    base: Number(resourceVersion),
  };
  if (verb === 'remove') return { ...about, policy: 'remove' };
  const fields = { ...(data as Fields), resourceType, resourceId } as Fields;
  return { ...about, policy: 'put', fields, unites: resourceType === 'Customer' };
}

function ordered(payload: Payload): Meaning {
  const { empireId, locationCoord, catalogKey, quantity = 1 } = payload;
  const [category = '', credits = 0, seconds = 0] = prices[textOf(catalogKey)] ?? [];
  const pieces = Number(quantity);
  const order = {
    empireId: textOf(empireId),
    locationCoord: textOf(locationCoord),
    category,
    catalogKey: textOf(catalogKey),
    quantity: pieces,
    cost: credits * pieces,
    seconds: seconds * pieces,
  };
  const entityId = `${order.locationCoord}/${category}/${order.catalogKey}`;
  return { entityType: 'queue-item', entityId, policy: 'order', order };
}

function told(kind: string, version: number, payload: Payload): Meaning {
  const { ticketId, ...rest } = payload;
  // The first tills wrote euros, and not how they were paid.
  const words =
    kind === 'sale.recorded' && version === 1
      ? { totalCents: Math.round(Number(rest.total) * 100), method: 'other' }
      : rest;
  const fact = { kind, ...words } as unknown as TicketFact;
  return { entityType: 'ticket', entityId: textOf(ticketId), policy: 'fact', fact };
}

/** What remains of one customer that two tills changed: the later till's words, and all list items. */
export function united(current: Fields, incoming: Fields): Fields {
  const names = [...new Set([...Object.keys(current), ...Object.keys(incoming)])];
  return Object.fromEntries(
    names.map((name) => {
      const [old, fresh] = [current[name], incoming[name]];
      if (!Array.isArray(old) && !Array.isArray(fresh)) return [name, fresh ?? old ?? null];
      const items = [old, fresh].flatMap((list) => (Array.isArray(list) ? list : []));
      const texts = new Set(items.map((item) => JSON.stringify(item)));
      return [name, [...texts].map((text) => JSON.parse(text) as Value)];
    }),
  );
}
