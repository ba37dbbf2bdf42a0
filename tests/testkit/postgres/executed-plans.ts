import { EventEmitter } from 'node:events';
import pg from 'pg';
import { vi } from 'vitest';
import { withClient } from './client.ts';
import { planNodesOf, type PlanNode } from './sent-statements.ts';

/** A statement as PostgreSQL has executed it. */
export interface ExecutedStatement {
  readonly text: string;
  /** All nodes of its plan that were executed, with what they have read. */
  readonly nodes: readonly PlanNode[];
}

/** As module auto_explain of PostgreSQL prints it. */
interface Explained {
  readonly 'Query Text': string;
  readonly Plan: PlanNode;
}

/**
 * Makes PostgreSQL report the plan of each statement to the client that has sent it. Sessions that are open already do
 * not change.
 */
export async function reportPlans(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query('SELECT current_database() AS name');
    const settings = {
      session_preload_libraries: 'auto_explain',
      'auto_explain.log_min_duration': '0',
      'auto_explain.log_analyze': 'on',
      'auto_explain.log_timing': 'off',
      'auto_explain.log_format': 'json',
      'auto_explain.log_level': 'notice',
    };
    for (const [name, value] of Object.entries(settings)) {
      await client.query(`ALTER DATABASE "${rows[0].name}" SET ${name} = '${value}'`);
    }
  });
}

/**
 * The statements that this process has PostgreSQL execute while `work` runs, in sessions of a database with
 * `reportPlans`.
 */
export async function executedStatements(
  work: () => Promise<unknown>,
): Promise<readonly ExecutedStatement[]> {
  const found: ExecutedStatement[] = [];
  const spy = vi.spyOn(pg.Connection.prototype, 'emit').mockImplementation(function (
    this: pg.Connection,
    event: string | symbol,
    ...values: readonly unknown[]
  ) {
    if (event === 'notice') {
      const { message = '' } = values[0] as { readonly message?: string };
      const json = /^duration: \S+ ms {2}plan:\n(\{[^]*\})$/.exec(message)?.[1];
      if (json !== undefined) found.push(toExecuted(JSON.parse(json)));
    }
    return EventEmitter.prototype.emit.call(this, event, ...values);
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return found;
}

function toExecuted({ 'Query Text': text, Plan: plan }: Explained): ExecutedStatement {
  return { text, nodes: planNodesOf(plan).filter((node) => node['Actual Loops'] > 0) };
}
