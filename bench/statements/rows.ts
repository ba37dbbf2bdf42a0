import { createHash, randomUUID } from 'node:crypto';
import type { WithTenant } from '../../src/domain/decide/tenant-plan.ts';
import type { StoredEvent } from '../../src/domain/event.ts';
import type { RecordState } from '../../src/domain/record.ts';
import {
  type Column,
  type Columns,
  column,
  defineRowSet,
  type RowSet,
} from '../../src/postgres/client/row-set.ts';
import { eventColumns as columnsOfEvents } from '../../src/postgres/columns/event-columns.sql.ts';
import { recordColumns as columnsOfRecords } from '../../src/postgres/columns/record-columns.sql.ts';

/** An edit of a note by one of 50 tenants: the row of the log and the row of the record that it writes. */
export interface Row {
  readonly tenantId: string;
  readonly event: WithTenant<StoredEvent>;
  readonly record: WithTenant<RecordState>;
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

const fingerprint = createHash('sha256').update('one for all').digest();
const data = JSON.stringify({ title: 'harbour winch ledger lantern', body: 'tide '.repeat(33) });

interface Edit {
  readonly tenantId: string;
  readonly version: number;
  readonly key: string;
  readonly note: string;
  /** Microseconds since 1970. */
  readonly at: number;
}

function toRow({ tenantId, version, key, note, at }: Edit): Row {
  const entity = { tenantId, version, entityType: 'note', entityId: note, sequence: null };
  const event = {
    ...entity,
    identityKey: key,
    fingerprint,
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
    payload: `{"noteId":"${note}",${data.slice(1)}`,
    recordBefore: version - 1,
    recordAfter: version,
    resolves: null,
  } as const;
  const record = {
    ...entity,
    deleted: false,
    data,
    dataVersion: 1,
    clock: { put: [at, key] },
    originKey: key,
    originKind: 'note.put',
    originDevice: 'laptop',
    originAt: at,
    createdAt: at,
    updatedAt: at,
  } as const;
  return { tenantId, event, record };
}

const tenants = 50;
const notes = 1_000;
const tenantsPerGroup = 3;
const rowsPerTenant = 50;
export const groupSize = tenantsPerGroup * rowsPerTenant;

/** Rows as one transaction writes them: batches of 50 from three tenants, in the order of the tenants' ids. */
export function* groupsOfRows(): Generator<readonly Row[], never> {
  const heads = Array.from({ length: tenants }, () => 0);
  for (let group = 0; ; group += 1) {
    const at = Date.now() * 1000;
    const members = Array.from(
      { length: tenantsPerGroup },
      (_, n) => (group * tenantsPerGroup + n) % tenants,
    );
    yield members
      .sort((a, b) => a - b)
      .flatMap((tenant) => {
        const head = heads[tenant] ?? 0;
        heads[tenant] = head + rowsPerTenant;
        const first = Math.floor(Math.random() * notes);
        return Array.from({ length: rowsPerTenant }, (_, n): Row => {
          const note = `note-${String((first + n * 7) % notes).padStart(4, '0')}`;
          const tenantId = `tenant-${String(tenant).padStart(2, '0')}`;
          return toRow({ tenantId, version: head + n + 1, key: randomUUID(), note, at });
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
