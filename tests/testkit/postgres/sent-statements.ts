import pg from 'pg';
import { vi } from 'vitest';
import type { TransactionScope } from '../../../src/postgres/client/transaction.sql.ts';
import { findByPlaceOnly } from '../../../src/postgres/ingest/write.sql.ts';

export interface SentStatement {
  readonly text: string;
  readonly values: unknown[];
  /** The role and the tenants of its transaction; undefined where it ran as the login role. */
  readonly scope: TransactionScope | undefined;
  /** Whether it may find rows by their places only: the transaction has switched the use of indexes off before it. */
  readonly byPlace: boolean;
}

interface Session {
  readonly scope: TransactionScope | undefined;
  readonly byPlace: boolean;
}

/** All statements that this process sends to PostgreSQL while `work` runs, with their values. */
export async function sentStatements(
  work: () => Promise<unknown>,
): Promise<readonly SentStatement[]> {
  const found: SentStatement[] = [];
  const sessions = new WeakMap<object, Session>();
  const outside: Session = { scope: undefined, byPlace: false };
  const { submit } = pg.Query.prototype;
  // Each statement of a trip is a query of its own there, as is what is sent alone.
  const spy = vi.spyOn(pg.Query.prototype, 'submit').mockImplementation(function (
    this: pg.Query & { text: string; values?: unknown[] },
    connection: pg.Connection,
  ) {
    const { text, values = [] } = this;
    const key = sessionOf(connection);
    const { scope } = sessions.get(key) ?? outside;
    if (text.includes("'landfall.tenants'")) {
      sessions.set(key, { scope: toScope(values), byPlace: false });
    } else if (text === findByPlaceOnly.text) {
      sessions.set(key, { scope, byPlace: true });
    } else if (/^(COMMIT|ROLLBACK)$/.test(text)) {
      // What comes after them has no scope until it takes one.
      sessions.set(key, outside);
    }
    found.push({ text, values, ...(sessions.get(key) ?? outside) });
    return Reflect.apply(submit, this, [connection]);
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return found;
}

/** A pipeline gives its statements an object that inherits from the connection. */
function sessionOf(connection: object): object {
  const prototype: object = Object.getPrototypeOf(connection);
  return prototype === pg.Connection.prototype ? connection : sessionOf(prototype);
}

/** Of the values of the settings' statement. */
function toScope([role, tenants, , mode, tenantIds]: unknown[]): TransactionScope {
  return {
    role,
    tenants,
    tenantIds,
    plan: mode === 'force_generic_plan' ? 'generic' : 'custom',
  } as TransactionScope;
}

export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Recheck Cond'?: string;
  readonly Filter?: string;
  readonly Operation?: string;
  readonly 'Actual Loops': number;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

export function planNodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(planNodesOf)];
}

/** Statements that may read a whole tenant, up to a number of rows. */
const readsWholeTenants = /^\s*(SELECT count|DELETE FROM \w+\s+WHERE tenant_no = \$1\s+AND ctid)/;

/**
 * Whether a node of a plan may read more of a table than its statement asks for: it reads the table without an index, or
 * its index condition names no more than the tenant.
 *
 * @param text the statement
 */
export function isWideRead(node: PlanNode, text: string): boolean {
  const { 'Node Type': type, 'Index Cond': condition = '', 'Index Name': index } = node;
  // Other nodes without an index read rows at places that came from an index, or from the statement itself.
  if (index === undefined) return type === 'Seq Scan';
  const columns = new Set(
    Array.from(condition.matchAll(/\b([a-z_]+)\)? (?:=|<|>|<=|>=) /g), ([, name]) => name),
  );
  if (index.startsWith('tenants')) return !columns.has('no') && !columns.has('id');
  return !(columns.has('tenant_no') && (columns.size > 1 || readsWholeTenants.test(text)));
}
