import type { ClientBase, Pool } from 'pg';
import { runPipelined, type StatementSender } from './pipeline.ts';

/** As whom a transaction works, and for whom. */
export interface TransactionScope {
  /** Of the migrations. The service's role is bound by row level security, the operator's is not. */
  readonly role: 'landfall_service' | 'landfall_operator';
  readonly tenants: readonly string[];
  /**
   * `generic`: one plan a statement, of probes of one index each. `custom`: a plan for the values at hand,
   * which may take several indexes together.
   */
  readonly plan: 'generic' | 'custom';
}

/** For the tenants' own work: no row of another tenant is seen or written. */
export function tenantScope(tenants: readonly string[]): TransactionScope {
  return { role: 'landfall_service', tenants, plan: 'generic' };
}

/** For what is looked up of a tenant by conditions that it may or may not have. */
export function searchScope(tenantId: string): TransactionScope {
  return { role: 'landfall_service', tenants: [tenantId], plan: 'custom' };
}

/** For what tidies the database. */
export const operatorScope: TransactionScope = {
  role: 'landfall_operator',
  tenants: [],
  plan: 'custom',
};

/**
 * All that a transaction needs, and gone with it: nothing is left to the session, which behind a
 * transaction pooler is somebody else's the next moment.
 *
 * - Timeouts, each shorter than the next, so that the innermost wait is the one that gives up first.
 *   PostgreSQL has the last one from 17 on.
 * - Statements probe indexes. Plans made while the tables were still empty would read them whole, and a
 *   prepared statement keeps its plan until the first autoanalyze.
 * - Where the plan is generic, to look for a better one each time would cost more than the probes. That each
 *   takes the right index is for the schema to see to.
 *
 * One number comes back: the settings themselves would send the tenants' names.
 */
export const settingsText = `
SELECT num_nonnulls(
  set_config('role', $1, true),
  set_config('landfall.tenants', $2::text[]::text, true),
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

/** Their values, in order. */
export function settingsOf({
  role,
  tenants,
  plan,
}: TransactionScope): [string, readonly string[], string, string] {
  return [role, tenants, plan === 'custom' ? 'on' : 'off', `force_${plan}_plan`];
}

/** What is sent right behind it shares its round trip. */
export async function begin(trip: StatementSender, scope: TransactionScope): Promise<void> {
  const values = settingsOf(scope);
  await Promise.all([
    trip.query({ name: 'begin', text: 'BEGIN' }),
    trip.query({ name: 'settings', text: settingsText, values }),
  ]);
}

/** What a transaction is answered with that is stored. */
export const committedTag = 'COMMIT';

/** @returns the tag that it was answered with */
export async function commit(trip: StatementSender): Promise<string> {
  const { command } = await trip.query({ name: 'commit', text: 'COMMIT' });
  return command;
}

/** @returns whether the connection is clean again; one that broke never is */
export function rollBack(client: ClientBase): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

/**
 * A whole transaction in one round trip.
 *
 * @param send sends all its statements before it waits for one of them
 */
export async function runInOneRoundTrip<Result>(
  pool: Pool,
  scope: TransactionScope,
  send: (trip: StatementSender) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let isClean = true;
  try {
    const [, result] = await runPipelined(client, (trip) =>
      Promise.all([begin(trip, scope), send(trip), commit(trip)]),
    );
    return result;
  } catch (error) {
    isClean = await rollBack(client);
    throw error;
  } finally {
    client.release(!isClean);
  }
}

/** Commits what `work` did, or leaves nothing of it and the connection clean. */
export async function runInTransaction<Result>(
  client: ClientBase,
  scope: TransactionScope,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    await runPipelined(client, (trip) => begin(trip, scope));
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Where the connection is gone there is nothing to roll back; the error says so.
    await rollBack(client);
    throw error;
  }
}
