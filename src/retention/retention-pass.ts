import { setTimeout as sleep } from 'node:timers/promises';
import type { RetentionSession, RetentionStore } from '../postgres/retention/retention-store.ts';
import {
  type RetentionSettings,
  type RetentionTenant,
  type TenantCleanupOptions,
  cleanUpTenant,
} from './clean-up-tenant.ts';

export interface RetentionReport {
  /** Tenants that were looked at. */
  readonly tenants: number;
  readonly tombstones: number;
  readonly payloads: number;
  /** Tenants whose pushes left no gap: the next pass goes on with them. */
  readonly busy: number;
  /** Why it failed, for each tenant on which it did. */
  readonly errors: readonly unknown[];
  /** It was told to end before it was through. */
  readonly stopped: boolean;
}

/**
 * Goes over all tenants once.
 *
 * @param signal ends it after the transaction under way
 * @returns undefined where another process is at it
 * @throws Error where the database cannot be reached, or fails for one tenant after the other
 */
export type RunRetentionPass = (signal: AbortSignal) => Promise<RetentionReport | undefined>;

export interface RetentionPassSettings extends Omit<RetentionSettings, 'batchRows'> {
  readonly batchRows?: number;
}

interface Round extends TenantCleanupOptions {
  readonly errors: unknown[];
}

const usualBatchRows = 500;
const tenantsPerPage = 500;
/** Rounds over the busy tenants without any progress, and the pause before the first of them. */
const idleRounds = 10;
const pauseMs = 20;
/** So many tenants do not fail each for a reason of its own. */
const maxErrors = 10;

/** Passes that know what the ones before them found. */
export function createRetentionPass(
  store: RetentionStore,
  { batchRows = usualBatchRows, ...ages }: RetentionPassSettings,
): RunRetentionPass {
  const settings = { ...ages, batchRows };
  const purged = new Map<string, number>();
  return async (signal) => {
    const session = await store.begin();
    if (!session) return undefined;
    const tally = { tombstones: 0, payloads: 0 };
    try {
      return await tidyAll({ session, settings, purged, signal, tally, errors: [] });
    } finally {
      await session.end();
    }
  };
}

async function tidyAll(round: Round): Promise<RetentionReport> {
  const { session, signal, tally, errors } = round;
  let tenants = 0;
  let busy: RetentionTenant[] = [];
  for await (const page of pagesOfTenants(session)) {
    tenants += page.length;
    busy.push(...(await tidyEach(round, page)));
    if (signal.aborted) break;
  }
  for (let idle = 1; busy.length > 0 && idle <= idleRounds && !signal.aborted; idle += 1) {
    const before = tally.tombstones + tally.payloads;
    await pause(idle * pauseMs, signal);
    busy = await tidyEach(round, busy);
    if (tally.tombstones + tally.payloads > before) idle = 0;
  }
  return { tenants, ...tally, busy: busy.length, errors, stopped: signal.aborted };
}

async function* pagesOfTenants(session: RetentionSession) {
  for (let after = ''; ; ) {
    const page = await session.tenants(after, tenantsPerPage);
    const last = page.at(-1);
    if (!last) return;
    yield page;
    after = last.id;
  }
}

/** One tenant that fails does not keep the others from it. @returns those that were busy */
async function tidyEach(
  round: Round,
  tenants: readonly RetentionTenant[],
): Promise<RetentionTenant[]> {
  const busy: RetentionTenant[] = [];
  for (const tenant of tenants) {
    if (round.signal.aborted) break;
    try {
      if (!(await cleanUpTenant(round, tenant))) busy.push(tenant);
    } catch (error) {
      round.errors.push(error);
      if (round.errors.length === maxErrors) throw error;
    }
  }
  return busy;
}

/** Ends early, and without a complaint, where the pass has to. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}
