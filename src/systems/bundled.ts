import { empirePut } from './colony/empire.ts';
import { locationPut } from './colony/location.ts';
import { researchQueue, structureBuild, unitTrain } from './colony/queue-item.ts';
import { invoiceCreate, invoiceUpdate } from './freight/invoice.ts';
import { quoteCreate, quoteUpdate } from './freight/quote.ts';
import { shipmentCreate, shipmentUpdate } from './freight/shipment.ts';
import { notePatch, notePut, noteRemove } from './notes/note.ts';
import { resourcePut, resourceRemove } from './pos/resource.ts';
import { saleRecorded, saleVoided } from './sales/sale.ts';
import { ticketClosed, ticketItemAdded, ticketOpened } from './sales/ticket.ts';
import type { Kind } from '../domain/kinds/define-kind.ts';

/** The kinds that come with Landfall: notes, colony, freight, sales, pos. */
export const bundledKinds: readonly Kind[] = [
  notePut,
  notePatch,
  noteRemove,
  empirePut,
  locationPut,
  structureBuild,
  researchQueue,
  unitTrain,
  shipmentCreate,
  shipmentUpdate,
  quoteCreate,
  quoteUpdate,
  invoiceCreate,
  invoiceUpdate,
  ticketOpened,
  ticketItemAdded,
  ticketClosed,
  saleRecorded,
  saleVoided,
  resourcePut,
  resourceRemove,
];
