import { setTimeout as sleep } from 'node:timers/promises';
import type { RetentionSession, RetentionStore } from '../postgres/retention/retention-store.ts';
import {
  type RetentionSettings,
  type RetentionTenant,
  type TenantCleanupOptions,
  cleanUpTenant,
} from './clean-up-tenant.ts';

export interface RetentionReport {
  /** The number of tenants that the pass visited. */
  readonly tenants: number;
  readonly tombstones: number;
  readonly payloads: number;
  /** The number of tenants whose locks were held by pushes. The next pass continues with them. */
  readonly busy: number;
  /** The errors, one per tenant whose clean-up failed. */
  readonly errors: readonly unknown[];
  /** Whether the pass was stopped before its end. */
  readonly stopped: boolean;
}

/**
 * Visits all tenants once.
 *
 * @param signal stops the pass after the current transaction
 * @returns undefined if another process is cleaning up
 * @throws Error if the database cannot be reached, or if it fails for many tenants
 */
export type RunRetentionPass = (signal: AbortSignal) => Promise<RetentionReport | undefined>;

export interface RetentionPassSettings extends Omit<RetentionSettings, 'batchRows'> {
  readonly batchRows?: number;
}

interface Pass extends TenantCleanupOptions {
  readonly errors: unknown[];
}

const defaultBatchRows = 500;
const tenantsPerPage = 500;
/** The maximum of successive rounds over the busy tenants without progress. */
const maxIdleRounds = 10;
/** The pause before such a round, for each round without progress. */
const pauseMs = 20;
/** The pass fails after so many errors, because they probably have a common cause. */
const maxErrors = 10;

/** Creates a function that runs passes. It remembers up to which versions tombstones are purged. */
export function createRetentionPass(
  store: RetentionStore,
  { batchRows = defaultBatchRows, ...ages }: RetentionPassSettings,
): RunRetentionPass {
  const settings = { ...ages, batchRows };
  const purged = new Map<string, number>();
  return async (signal) => {
    const session = await store.begin();
    if (!session) return undefined;
    const tally = { tombstones: 0, payloads: 0 };
    try {
      return await cleanUpAll({ session, settings, purged, signal, tally, errors: [] });
    } finally {
      await session.end();
    }
  };
}

async function cleanUpAll(pass: Pass): Promise<RetentionReport> {
  const { session, signal, tally, errors } = pass;
  let tenants = 0;
  let busy: RetentionTenant[] = [];
  for await (const page of tenantPages(session)) {
    tenants += page.length;
    busy.push(...(await cleanUpEach(pass, page)));
    if (signal.aborted) break;
  }
  for (
    let idleRounds = 1;
    busy.length > 0 && idleRounds <= maxIdleRounds && !signal.aborted;
    idleRounds += 1
  ) {
    const before = tally.tombstones + tally.payloads;
    await pause(idleRounds * pauseMs, signal);
    busy = await cleanUpEach(pass, busy);
    if (tally.tombstones + tally.payloads > before) idleRounds = 0;
  }
  return { tenants, ...tally, busy: busy.length, errors, stopped: signal.aborted };
}

async function* tenantPages(session: RetentionSession) {
  for (let after = ''; ; ) {
    const page = await session.tenants(after, tenantsPerPage);
    const last = page.at(-1);
    if (!last) return;
    yield page;
    after = last.id;
  }
}

/** Cleans up each tenant, also after an error with one of them. @returns the busy tenants */
async function cleanUpEach(
  pass: Pass,
  tenants: readonly RetentionTenant[],
): Promise<RetentionTenant[]> {
  const busy: RetentionTenant[] = [];
  for (const tenant of tenants) {
    if (pass.signal.aborted) break;
    try {
      if (!(await cleanUpTenant(pass, tenant))) busy.push(tenant);
    } catch (error) {
      pass.errors.push(error);
      if (pass.errors.length === maxErrors) throw error;
    }
  }
  return busy;
}

/** Resolves early if the pass is stopped. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}
