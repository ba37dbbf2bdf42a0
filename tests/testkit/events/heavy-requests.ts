import { randomUUID } from 'node:crypto';

// Small requests whose answers are large or take much work.

type Events = readonly object[];

/** Batches of facts that fill a ticket up to its limit, with characters of three bytes. */
function fillTicket(ticketId: string): readonly Events[] {
  const item = (sequence: number) => ({
    ...{ identityKey: randomUUID(), kind: 'ticket.item-added', sequence },
    payload: { ticketId, sku: `s${sequence}`, name: '漢'.repeat(200), quantity: 1, unitCents: 1 },
  });
  return Array.from({ length: 10 }, (_, part) =>
    Array.from({ length: 50 }, (_item, index) => item(part * 50 + index + 1)),
  );
}

/** 500 conflicting edits of the ticket, about 70 kB: their base is the ticket before it was created. */
function closeTicketLate(ticketId: string): Events {
  return Array.from({ length: 500 }, () => ({
    ...{ identityKey: randomUUID(), kind: 'ticket.closed', sequence: 501, baseVersion: 0 },
    payload: { ticketId },
  }));
}

/** A record of 7,900 fields. Its event is nearly as large as an event may be. */
function putWideRecord(resourceId: string): Events {
  const names = Array.from({ length: 7_900 }, (_, index) => index.toString(36));
  const event = {
    ...{ identityKey: randomUUID(), kind: 'resource.put' },
    payload: {
      ...{ resourceType: 'Product', resourceId, resourceVersion: 0 },
      data: Object.fromEntries(names.map((name) => [name, 1])),
    },
  };
  return [event];
}

/** 500 conflicting edits of the record: their base is the record before it was created. */
function editWideRecordLate(resourceId: string): Events {
  return Array.from({ length: 500 }, (_, index) => ({
    ...{ identityKey: randomUUID(), kind: 'resource.put' },
    payload: {
      ...{ resourceType: 'Product', resourceId, resourceVersion: 0 },
      data: { a: index },
    },
  }));
}

export interface HeavyRequest {
  readonly name: string;
  /** The batches to push before it, one after the other. */
  readonly before: readonly Events[];
  readonly events: () => Events;
}

export const conflictsOnLargeRecord: HeavyRequest = {
  name: '500 conflicts on a record of 375 kB',
  before: fillTicket('t1'),
  events: () => closeTicketLate('t1'),
};

export const conflictsOnWideRecord: HeavyRequest = {
  name: '500 conflicts on a record of 7,900 fields',
  before: [putWideRecord('p1')],
  events: () => editWideRecordLate('p1'),
};
