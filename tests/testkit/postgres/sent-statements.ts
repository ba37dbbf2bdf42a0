import pg from 'pg';
import { vi } from 'vitest';
import type { TransactionScope } from '../../../src/postgres/client/transaction.sql.ts';

export interface SentStatement {
  readonly text: string;
  readonly values: unknown[];
  /** The role and the tenants of its transaction; undefined where it ran as the login role. */
  readonly scope: TransactionScope | undefined;
}

/** All statements that this process sends to PostgreSQL while `work` runs, with their values. */
export async function sentStatements(
  work: () => Promise<unknown>,
): Promise<readonly SentStatement[]> {
  const found: SentStatement[] = [];
  const scopeOf = new WeakMap<object, TransactionScope | undefined>();
  const { submit } = pg.Query.prototype;
  // Each statement of a trip is a query of its own there, as is what is sent alone.
  const spy = vi.spyOn(pg.Query.prototype, 'submit').mockImplementation(function (
    this: pg.Query & { text: string; values?: unknown[] },
    connection: pg.Connection,
  ) {
    const { text, values = [] } = this;
    const { stream } = connection;
    if (text.includes("'landfall.tenants'")) scopeOf.set(stream, toScope(values));
    // What comes after them has no scope until it takes one.
    else if (/^(COMMIT|ROLLBACK)$/.test(text)) scopeOf.set(stream, undefined);
    found.push({ text, values, scope: scopeOf.get(stream) });
    return Reflect.apply(submit, this, [connection]);
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return found;
}

/** Of the values of the settings' statement. */
function toScope([role, tenants, , mode]: unknown[]): TransactionScope {
  return {
    role,
    tenants,
    plan: mode === 'force_generic_plan' ? 'generic' : 'custom',
  } as TransactionScope;
}

export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Actual Loops': number;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

export function planNodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(planNodesOf)];
}
