import { randomUUID } from 'node:crypto';
import { hashKey, type StoredEvent } from '../../src/domain/event.ts';
import type { RecordState } from '../../src/domain/record.ts';
import {
  type Column,
  type Columns,
  column,
  defineRowSet,
  type OfTenant,
  type RowSet,
} from '../../src/postgres/client/row-set.ts';
import { eventColumns as columnsOfEvents } from '../../src/postgres/columns/event-columns.sql.ts';
import { recordColumns as columnsOfRecords } from '../../src/postgres/columns/record-columns.sql.ts';

/** An edit of a note: the row of the log and the row of the record that it writes. */
export interface Row {
  readonly event: OfTenant<StoredEvent>;
  readonly record: OfTenant<RecordState>;
  /** Where the row of a loaded record is, as PostgreSQL prints a `ctid`; empty for a record that is not loaded. */
  readonly place: string;
}

/** A column of one of the two tables, with the value that it has for an edit. */
export interface TableColumn {
  readonly name: string;
  readonly type: Column<Row>['type'];
  readonly value: (row: Row) => unknown;
}

/** In the order of the statements' parameters, as all lists of columns. */
export const benchEventColumns = toTableColumns(columnsOfEvents, (row) => row.event);
export const benchRecordColumns = toTableColumns(columnsOfRecords, (row) => row.record);

function toTableColumns<Part>(
  columns: Columns<Part>,
  partOf: (row: Row) => Part,
): readonly TableColumn[] {
  return Object.entries(columns).map(([name, { type, value }]) => ({
    name,
    type,
    value: (row) => value(partOf(row)),
  }));
}

const title = 'harbour winch ledger lantern';
const body = 'tide '.repeat(33);

interface BenchEdit {
  readonly tenantNo: number;
  readonly version: number;
  readonly key: string;
  readonly note: string;
  /** The version of the note's last event; null for a note that is new. */
  readonly previousVersion: number | null;
  /** Microseconds since 1970. */
  readonly at: number;
}

function toRow({ tenantNo, version, key, note, previousVersion, at }: BenchEdit): Row {
  const entity = { version, entityType: 'note', entityId: note, sequence: null };
  const event: StoredEvent = {
    ...entity,
    identityKey: key,
    keyHash: hashKey(key),
    fingerprint: null,
    previousVersion,
    kind: 'note.put',
    kindVersion: 1,
    outcome: 'applied',
    deviceId: 'laptop',
    subject: 'bench',
    occurredAt: at,
    effectiveAt: at,
    receivedAt: at,
    clockAdjusted: false,
    baseVersion: null,
    baseKey: null,
    payload: JSON.stringify({ noteId: note, title, body }),
    recordBefore: previousVersion ?? 0,
    recordAfter: version,
    resolves: null,
  };
  const record: RecordState = {
    ...entity,
    lastEvent: version,
    deleted: false,
    data: JSON.stringify({ body, title }),
    dataVersion: 1,
    clock: { put: [at, key] },
    originKey: key,
    originKind: 'note.put',
    originDevice: 'laptop',
    originAt: at,
    createdAt: at,
    updatedAt: at,
  };
  return { event: { tenantNo, row: event }, record: { tenantNo, row: record }, place: '' };
}

const tenantsPerGroup = 3;
const rowsPerTenant = 50;
export const groupSize = tenantsPerGroup * rowsPerTenant;

export interface GroupsOptions {
  /** The numbers of the tenants. Each has `notes` notes, whose last event has the version of their place, from 1 on. */
  readonly tenantNos: readonly number[];
  readonly notes: number;
  /** Whether each edit is of a new note. */
  readonly isNew: boolean;
}

/** Rows as one transaction writes them: batches of 50 from three tenants, in the order of the tenants' numbers. */
export function* groupsOfRows(options: GroupsOptions): Generator<readonly Row[], never> {
  const { tenantNos, notes, isNew } = options;
  const heads = new Map(tenantNos.map((tenantNo) => [tenantNo, notes]));
  for (let group = 0; ; group += 1) {
    const at = Date.now() * 1000;
    const members = Array.from(
      { length: tenantsPerGroup },
      (_, n) => tenantNos[(group * tenantsPerGroup + n) % tenantNos.length] ?? 0,
    );
    yield members
      .sort((a, b) => a - b)
      .flatMap((tenantNo) => {
        const head = heads.get(tenantNo) ?? 0;
        heads.set(tenantNo, head + rowsPerTenant);
        const first = Math.floor(Math.random() * notes);
        return Array.from({ length: rowsPerTenant }, (_, n): Row => {
          const place = (first + n * 7) % notes;
          const note = isNew ? randomUUID() : `note-${place}`;
          const previousVersion = isNew ? null : place + 1;
          const version = head + n + 1;
          return toRow({ tenantNo, version, key: randomUUID(), note, previousVersion, at });
        });
      });
  }
}

/** The columns as a row set of the service. */
export function rowSetOf(columns: readonly TableColumn[]): RowSet<Row> {
  const entries = columns.map(({ name, type, value }): [string, Column<Row>] => [
    name,
    column(type, value),
  ]);
  return defineRowSet(Object.fromEntries(entries));
}
