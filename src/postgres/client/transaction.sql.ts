import pg, { type ClientBase, type QueryConfig } from 'pg';
import { runPipelined, type StatementSender } from './pipeline.ts';
import type { SchemaPool, Tables } from './pool.ts';

/** The role of a transaction, the tenants whose rows it may see, and how its statements are planned. */
export interface TransactionScope {
  /**
   * The migrations create both roles. Row level security limits the service's role to the rows of `tenants`. It
   * does not limit the operator's role.
   */
  readonly role: 'landfall_service' | 'landfall_operator';
  readonly tenants: readonly number[];
  /** The ids of tenants whose rows in `tenants` it may also see, because their numbers are not known yet. */
  readonly tenantIds: readonly string[];
  /**
   * `generic`: each statement has one plan, in which each look-up probes one index. `custom`: PostgreSQL plans
   * each statement for its values, and may combine several indexes.
   */
  readonly plan: 'generic' | 'custom';
}

/** For pushes and polls. The transaction neither sees nor writes rows of other tenants. */
export function tenantScope(tenants: readonly number[]): TransactionScope {
  return { role: 'landfall_service', tenants, tenantIds: [], plan: 'generic' };
}

/** For finding the numbers of tenants, and giving numbers to new ones. */
export function tenantIdScope(tenantIds: readonly string[]): TransactionScope {
  return { role: 'landfall_service', tenants: [], tenantIds, plan: 'generic' };
}

/** For reads of one tenant with optional conditions. */
export function searchScope(tenantNo: number): TransactionScope {
  return { role: 'landfall_service', tenants: [tenantNo], tenantIds: [], plan: 'custom' };
}

/** For retention, the removal of tenants and the commands of the operator. */
export const operatorScope: TransactionScope = {
  role: 'landfall_operator',
  tenants: [],
  tenantIds: [],
  plan: 'custom',
};

/**
 * Sets everything for the current transaction only. Behind a transaction pooler the session belongs to another
 * client after the transaction.
 *
 * - The search path is the schema of the tables, so that no statement names it. `pg_temp` comes last: a temporary
 *   table hides no other.
 * - Each timeout is shorter than the next, so that the innermost wait ends first. PostgreSQL has
 *   transaction_timeout from version 17 on.
 * - Statements probe indexes. A prepared statement keeps its plan until the first autoanalyze, and a plan that was
 *   made while a table was empty would read the whole table.
 * - The search for a better plan at each execution would cost more than the probes of a generic plan. The schema
 *   has exactly one suitable index for each probe.
 *
 * The statement returns one number, because the settings themselves would return the ids of the tenants.
 */
const settingsText = `
SELECT num_nonnulls(
  set_config('role', $1, true),
  set_config('landfall.tenants', $2::int[]::text, true),
  set_config('landfall.tenant_ids', $5::text[]::text, true),
  set_config('search_path', $6 || ', pg_temp', true),
  set_config('lock_timeout', '2s', true),
  set_config('statement_timeout', '5s', true),
  set_config('idle_in_transaction_session_timeout', '5s', true),
  CASE WHEN current_setting('server_version_num')::int >= 170000
       THEN set_config('transaction_timeout', '10s', true) END,
  set_config('enable_seqscan', 'off', true),
  set_config('enable_bitmapscan', $3, true),
  set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true),
  set_config('plan_cache_mode', $4, true))`;

/**
 * The statements that set the scope: the first of every transaction. A distributed database plans each statement for its
 * values, because the tenant is one of them.
 *
 * @throws Error where a transaction of one tenant names several
 */
export function scopeStatements(
  scope: TransactionScope,
  { schema, form }: Tables,
): readonly (QueryConfig & { readonly text: string })[] {
  const { role, tenants, tenantIds } = scope;
  const plan = form === 'one' ? 'custom' : scope.plan;
  const bitmapScan = plan === 'custom' ? 'on' : 'off';
  const settings = {
    name: 'settings',
    text: settingsText,
    values: [role, tenants, bitmapScan, `force_${plan}_plan`, tenantIds, schema],
  };
  return form === 'one' ? [settings, ...passedOnSettings(scope)] : [settings];
}

/**
 * What the policies read also on the other nodes of a distributed database. It passes on SET LOCAL, and not set_config.
 * What never changes is set for the roles there: see docs/operations.md.
 */
function passedOnSettings({ tenants, tenantIds }: TransactionScope): readonly { text: string }[] {
  if (tenants.length > 1) throw new Error('a transaction of one tenant names several');
  const names = {
    'landfall.tenants': tenants.join(','),
    'landfall.tenant_ids': tenantIds.map((id) => `"${id.replaceAll(/["\\]/g, '\\$&')}"`).join(','),
  };
  const settings = Object.entries(names).filter(([, value]) => value !== '');
  if (settings.length === 0) return [];
  return [
    { text: "SET LOCAL citus.propagate_set_commands = 'local'" },
    ...settings.map(([name, value]) => ({
      text: `SET LOCAL ${name} = ${pg.escapeLiteral(`{${value}}`)}`,
    })),
  ];
}

/**
 * Statements that are sent in the same pipeline share the round trip. It throws, and does not reject, where the scope cannot be
 * set: nothing of the pipeline is then sent.
 */
export function begin(
  sender: StatementSender,
  scope: TransactionScope,
  tables: Tables,
): Promise<unknown> {
  const statements = [{ name: 'begin', text: 'BEGIN' }, ...scopeStatements(scope, tables)];
  return Promise.all(statements.map((statement) => sender.query(statement)));
}

/** The command tag of a COMMIT that stored the transaction. PostgreSQL answers ROLLBACK where it did not. */
export const committedTag = 'COMMIT';

/** @returns the command tag of the answer */
export async function commit(sender: StatementSender): Promise<string> {
  const { command } = await sender.query({ name: 'commit', text: 'COMMIT' });
  return command;
}

/** @returns whether the connection can be used again; a broken connection cannot */
export function rollBack(client: ClientBase): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

/**
 * Runs a whole transaction in one round trip.
 *
 * @param send sends all its statements before it first waits
 * @throws the error of the first statement that failed
 */
export async function runInOneRoundTrip<Result>(
  pool: SchemaPool,
  scope: TransactionScope,
  send: (sender: StatementSender) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let isClean = true;
  try {
    const [, result] = await runPipelined(client, (sender) =>
      Promise.all([begin(sender, scope, pool), send(sender), commit(sender)]),
    );
    return result;
  } catch (error) {
    isClean = await rollBack(client);
    throw error;
  } finally {
    client.release(!isClean);
  }
}

/**
 * Runs `work` in a transaction on a connection that the caller holds, and commits it.
 *
 * @throws what `work` or a statement threw, after a rollback
 */
export async function runInTransaction<Result>(
  client: ClientBase,
  scope: TransactionScope,
  tables: Tables,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    await runPipelined(client, (sender) => begin(sender, scope, tables));
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // On a broken connection the rollback fails too. The first error says what happened.
    await rollBack(client);
    throw error;
  }
}
