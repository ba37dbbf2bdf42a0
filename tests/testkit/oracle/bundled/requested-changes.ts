import type { FieldValue, FieldValues } from '../last-write-wins.ts';
import type { TicketChange } from './tickets.ts';

/**
 * What an event of a bundled kind asks for, as docs/kinds.md and the README of each system define it. It shares no
 * code with the service.
 */
export type RequestedChange = { readonly entityType: string; readonly entityId: string } & (
  | {
      readonly policy: 'put' | 'patch';
      readonly fields: FieldValues;
      /** The version on which the edit was made, where the payload contains it. */
      readonly base?: number;
      /** Whether the kind merges two edits that were made on the same version. */
      readonly merges?: boolean;
    }
  | { readonly policy: 'remove'; readonly base?: number }
  | { readonly policy: 'fact'; readonly fact: TicketChange }
  | { readonly policy: 'order'; readonly order: ColonyOrder }
);

export interface ColonyOrder {
  readonly empireId: string;
  readonly locationCoord: string;
  readonly category: string;
  readonly catalogKey: string;
  readonly quantity: number;
  readonly cost: number;
  readonly seconds: number;
}

export type EventPayload = { readonly [name: string]: FieldValue };

/** The category of an article, and the credits and seconds that one piece takes. */
const catalog: Readonly<Record<string, readonly [string, number, number]>> = {
  'metal-refinery': ['structure', 60, 120],
  'solar-plant': ['structure', 80, 180],
  energy: ['research', 100, 300],
  laser: ['research', 250, 600],
  fighter: ['unit', 20, 30],
  scout: ['unit', 35, 45],
};

/** @throws Error for a kind that this model does not describe */
export function requestedChangeOf(
  kind: string,
  version: number,
  payload: EventPayload,
): RequestedChange {
  const [system = '', verb = ''] = kind.split('.');
  switch (system) {
    case 'note':
      return writeOf('note', 'noteId', verb, payload);
    case 'empire':
      return writeOf('empire', 'empireId', verb, payload);
    case 'location':
      return writeOf('location', 'locationCoord', verb, payload);
    case 'shipment':
    case 'quote':
    case 'invoice':
      return writeOf(system, `${system}Id`, verb, payload);
    case 'structure':
    case 'research':
    case 'unit':
      return orderOf(payload);
    case 'ticket':
    case 'sale':
      return factOf(kind, version, payload);
    case 'resource':
      return resourceOf(verb, payload);
    default:
      throw new Error(`the model does not know the kind ${kind}`);
  }
}

const toText = (value: FieldValue = null) =>
  typeof value === 'string' ? value : JSON.stringify(value);

function writeOf(
  entityType: string,
  idName: string,
  verb: string,
  payload: EventPayload,
): RequestedChange {
  const { [idName]: id, ...fields } = payload;
  const entity = { entityType, entityId: toText(id) };
  if (verb === 'remove') return { ...entity, policy: 'remove' };
  if (verb === 'create') return { ...entity, policy: 'put', fields, base: 0 };
  return { ...entity, policy: verb === 'put' ? 'put' : 'patch', fields };
}

function resourceOf(verb: string, payload: EventPayload): RequestedChange {
  const { resourceType, resourceId, resourceVersion, data } = payload;
  const entity = {
    entityType: 'resource',
    entityId: `${toText(resourceType)}/${toText(resourceId)}`,
    base: Number(resourceVersion),
  };
  if (verb === 'remove') return { ...entity, policy: 'remove' };
  const fields = { ...(data as FieldValues), resourceType, resourceId } as FieldValues;
  return { ...entity, policy: 'put', fields, merges: resourceType === 'Customer' };
}

function orderOf(payload: EventPayload): RequestedChange {
  const { empireId, locationCoord, catalogKey, quantity = 1 } = payload;
  const [category = '', credits = 0, seconds = 0] = catalog[toText(catalogKey)] ?? [];
  const pieces = Number(quantity);
  const order = {
    empireId: toText(empireId),
    locationCoord: toText(locationCoord),
    category,
    catalogKey: toText(catalogKey),
    quantity: pieces,
    cost: credits * pieces,
    seconds: seconds * pieces,
  };
  const entityId = `${order.locationCoord}/${category}/${order.catalogKey}`;
  return { entityType: 'queue-item', entityId, policy: 'order', order };
}

function factOf(kind: string, version: number, payload: EventPayload): RequestedChange {
  const { ticketId, ...rest } = payload;
  // Version 1 of a sale contains euros in place of cents, and no method of payment.
  const fields =
    kind === 'sale.recorded' && version === 1
      ? { totalCents: Math.round(Number(rest.total) * 100), method: 'other' }
      : rest;
  const fact = { kind, ...fields } as unknown as TicketChange;
  return { entityType: 'ticket', entityId: toText(ticketId), policy: 'fact', fact };
}

/** Two edits of one customer: the later value of each field, and the union of lists. */
export function mergeCustomers(current: FieldValues, incoming: FieldValues): FieldValues {
  const names = [...new Set([...Object.keys(current), ...Object.keys(incoming)])];
  return Object.fromEntries(
    names.map((name) => {
      const [older, newer] = [current[name], incoming[name]];
      if (!Array.isArray(older) && !Array.isArray(newer)) return [name, newer ?? older ?? null];
      const items = [older, newer].flatMap((list) => (Array.isArray(list) ? list : []));
      const distinct = new Set(items.map((item) => JSON.stringify(item)));
      return [name, [...distinct].map((text) => JSON.parse(text) as FieldValue)];
    }),
  );
}
