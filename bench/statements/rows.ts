import { createHash, randomUUID } from 'node:crypto';
import {
  bool,
  bytea,
  int4,
  int8,
  json,
  text,
  timestamptz,
} from '../../src/postgres/client/binary-array.ts';
import {
  type Column,
  column,
  defineRowSet,
  type RowSet,
} from '../../src/postgres/client/row-set.ts';

/** A row of the log and of the records at once: an edit of a note by one of 50 tenants. */
export interface Row {
  readonly tenant: string;
  readonly version: number;
  readonly key: string;
  readonly note: string;
  /** Microseconds since 1970. */
  readonly at: number;
}

const types = { bool, bytea, int4, int8, json, text, timestamptz };

export interface TableColumn {
  readonly name: string;
  readonly type: keyof typeof types;
  readonly of: (row: Row) => string | number | boolean | Buffer | null;
}

const fingerprint = createHash('sha256').update('one for all').digest();
const data = JSON.stringify({ title: 'harbour winch ledger lantern', body: 'tide '.repeat(33) });
const payload = (row: Row) => `{"noteId":"${row.note}",${data.slice(1)}`;

/** In the order of the statements' parameters. */
export const eventColumns: readonly TableColumn[] = [
  { name: 'tenant_id', type: 'text', of: (row) => row.tenant },
  { name: 'version', type: 'int8', of: (row) => row.version },
  { name: 'identity_key', type: 'text', of: (row) => row.key },
  { name: 'fingerprint', type: 'bytea', of: () => fingerprint },
  { name: 'kind', type: 'text', of: () => 'note.put' },
  { name: 'kind_version', type: 'int4', of: () => 1 },
  { name: 'entity_type', type: 'text', of: () => 'note' },
  { name: 'entity_id', type: 'text', of: (row) => row.note },
  { name: 'outcome', type: 'text', of: () => 'applied' },
  { name: 'device_id', type: 'text', of: () => 'laptop' },
  { name: 'subject', type: 'text', of: () => 'bench' },
  { name: 'occurred_at', type: 'timestamptz', of: (row) => row.at },
  { name: 'effective_at', type: 'timestamptz', of: (row) => row.at },
  { name: 'received_at', type: 'timestamptz', of: (row) => row.at },
  { name: 'clock_adjusted', type: 'bool', of: () => false },
  { name: 'base_version', type: 'int8', of: () => null },
  { name: 'base_key', type: 'text', of: () => null },
  { name: 'sequence', type: 'int8', of: () => null },
  { name: 'payload', type: 'json', of: payload },
  { name: 'record_before', type: 'int8', of: (row) => row.version - 1 },
  { name: 'record_after', type: 'int8', of: (row) => row.version },
];

export const recordColumns: readonly TableColumn[] = [
  { name: 'tenant_id', type: 'text', of: (row) => row.tenant },
  { name: 'entity_type', type: 'text', of: () => 'note' },
  { name: 'entity_id', type: 'text', of: (row) => row.note },
  { name: 'version', type: 'int8', of: (row) => row.version },
  { name: 'deleted', type: 'bool', of: () => false },
  { name: 'data', type: 'json', of: () => data },
  { name: 'data_version', type: 'int4', of: () => 1 },
  { name: 'clock', type: 'json', of: (row) => `{"put":[${row.at},"${row.key}"]}` },
  { name: 'sequence', type: 'int8', of: () => null },
  { name: 'origin_key', type: 'text', of: (row) => row.key },
  { name: 'origin_kind', type: 'text', of: () => 'note.put' },
  { name: 'origin_device', type: 'text', of: () => 'laptop' },
  { name: 'origin_at', type: 'timestamptz', of: (row) => row.at },
  { name: 'created_at', type: 'timestamptz', of: (row) => row.at },
  { name: 'updated_at', type: 'timestamptz', of: (row) => row.at },
];

const tenants = 50;
const notes = 1_000;
const tenantsAGroup = 3;
const rowsATenant = 50;
export const groupSize = tenantsAGroup * rowsATenant;

/** Groups as group commit makes them: three tenants' batches of 50, in the order of their keys. */
export function* groupsOfRows(): Generator<readonly Row[], never> {
  const heads = Array.from({ length: tenants }, () => 0);
  for (let group = 0; ; group += 1) {
    const at = Date.now() * 1000;
    const members = Array.from(
      { length: tenantsAGroup },
      (_, n) => (group * tenantsAGroup + n) % tenants,
    );
    yield members
      .sort((a, b) => a - b)
      .flatMap((tenant) => {
        const head = heads[tenant] ?? 0;
        heads[tenant] = head + rowsATenant;
        const first = Math.floor(Math.random() * notes);
        return Array.from({ length: rowsATenant }, (_, n): Row => {
          const note = `note-${String((first + n * 7) % notes).padStart(4, '0')}`;
          const name = `tenant-${String(tenant).padStart(2, '0')}`;
          return { tenant: name, version: head + n + 1, key: randomUUID(), note, at };
        });
      });
  }
}

/** A set in the service's own form. */
export function rowSetOf(columns: readonly TableColumn[]): RowSet<Row> {
  const entries = columns.map(({ name, type, of }): [string, Column<Row>] => [
    name,
    column<Row, never>(types[type], of as (row: Row) => never),
  ]);
  return defineRowSet(Object.fromEntries(entries));
}
