import { type Columns, defineRowSet, type RowSet } from './row-set.ts';

/**
 * How a statement about a set of rows names their tenants. `many`: each row has its tenant. `one`: all rows are of one
 * tenant, and the statement compares with it as a constant, so that a database that is distributed by tenant finds the
 * one node on which all of them are. See docs/adr/0026.
 */
export type TenantForm = 'many' | 'one';

/** A statement in both forms. */
export type FormedText = { readonly [Form in TenantForm]: string };

export function inBothForms(text: (form: TenantForm) => string): FormedText {
  return { many: text('many'), one: text('one') };
}

/** A set of rows, each of which has its tenant in the column `tenant_no`. */
export interface TenantRowSet<Row> extends RowSet<Row> {
  /** SQL for the tenant of a row. @param alias of the set */
  tenant(form: TenantForm, alias: string): string;
  /** The statement that inserts the set into a table. */
  insertInto(table: string): FormedText;
}

/** @throws Error where no column is the tenant's */
export function defineTenantRowSet<Row>(columns: Columns<Row>): TenantRowSet<Row> {
  const set = defineRowSet(columns);
  const names = Object.keys(columns);
  const place = names.indexOf('tenant_no') + 1;
  if (place === 0) throw new Error('a set of rows has no column tenant_no');
  const onlyTenant = `($${place}::int[])[1]`;
  // A distributed database sends the insert to a node only where the tenant comes from a table there.
  const fromOne = names.map((name) => (name === 'tenant_no' ? 'tenant.no' : `added.${name}`));
  return {
    ...set,
    tenant: (form, alias) => (form === 'one' ? onlyTenant : `${alias}.tenant_no`),
    insertInto: (table) => ({
      many: `
INSERT INTO ${table} (${set.columns})
SELECT ${set.columns}
FROM ${set.unnest('added')}`,
      one: `
INSERT INTO ${table} (${set.columns})
SELECT ${fromOne.join(', ')}
FROM tenants AS tenant
CROSS JOIN ${set.unnest('added')}
WHERE tenant.no = ${onlyTenant}`,
    }),
  };
}
