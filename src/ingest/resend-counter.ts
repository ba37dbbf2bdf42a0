import type { ResendCount } from '../audit/audit-store.ts';
import { type Batch, type BatchDecision, resentVersion } from '../domain/decide/batch.ts';
import type { CommitListener } from './ingest-service.ts';

export interface ResendCounterOptions {
  readonly write: (counts: readonly ResendCount[]) => Promise<void>;
  /** Time from the first resend until all counts are written, in milliseconds. */
  readonly delayMs: number;
  /** The same time after a write that has failed. */
  readonly retryMs: number;
  /** Maximum of events whose counts wait. Resends of further events are not counted. */
  readonly maxEvents: number;
  /** Maximum of tenants in one write. */
  readonly maxGroupTenants: number;
  /** Called after a failed write. The counts are kept and written with the next ones. */
  readonly onFailed: (error: unknown, waiting: number) => void;
}

/** The timing in production. A crash loses the counts of at most `delayMs`. */
export const resendCounterTiming = { delayMs: 500, retryMs: 10_000, maxEvents: 10_000 } as const;

export interface ResendCounter {
  /** Counts the resends of committed batches. */
  readonly count: CommitListener;
  /** Writes the counts that still wait. */
  close(): Promise<void>;
}

/**
 * Counts how often stored events are sent again. The counts are written later, in the background: a push
 * with nothing but duplicates writes nothing, and must stay that cheap. A crash may lose counts, and a
 * write whose answer is lost counts twice.
 */
export function createResendCounter(options: ResendCounterOptions): ResendCounter {
  const waiting = new Map<string, ResendCount>();
  let timer: NodeJS.Timeout | undefined;
  let currentWrite: Promise<void> | undefined;
  let nextDelayMs = options.delayMs;

  function add(resend: ResendCount): void {
    const key = `${resend.version}\n${resend.tenantId}`;
    const before = waiting.get(key);
    if (!before && waiting.size >= options.maxEvents) return;
    waiting.set(key, {
      ...resend,
      count: resend.count + (before?.count ?? 0),
      lastAt: Math.max(resend.lastAt, before?.lastAt ?? resend.lastAt),
    });
  }

  function schedule(): void {
    if (timer || currentWrite || waiting.size === 0) return;
    timer = setTimeout(() => void flush(), nextDelayMs).unref();
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    currentWrite ??= writeWaiting().finally(() => {
      currentWrite = undefined;
      schedule();
    });
    return currentWrite;
  }

  async function writeWaiting(): Promise<void> {
    const groups = groupByTenants([...waiting.values()], options.maxGroupTenants);
    waiting.clear();
    const errors: unknown[] = [];
    for (const group of groups) {
      try {
        await options.write(group);
      } catch (error) {
        errors.push(error);
        for (const resend of group) add(resend);
      }
    }
    nextDelayMs = errors.length > 0 ? options.retryMs : options.delayMs;
    // Once for all groups: otherwise a database that is down would write one log line per tenant.
    if (errors.length > 0) options.onFailed(errors[0], waiting.size);
  }

  return {
    count(batches, decisions) {
      for (const [index, decision] of decisions.entries()) {
        const batch = batches[index];
        if (batch) for (const resend of resendsOf(batch, decision)) add(resend);
      }
      schedule();
    },
    async close() {
      await currentWrite;
      await flush();
      clearTimeout(timer);
    },
  };
}

/** All counts of a tenant are in the same group. */
function groupByTenants(
  counts: readonly ResendCount[],
  maxTenants: number,
): readonly ResendCount[][] {
  const byTenant = [...Map.groupBy(counts, ({ tenantId }) => tenantId).values()];
  const groups: ResendCount[][] = [];
  for (let at = 0; at < byTenant.length; at += maxTenants) {
    groups.push(byTenant.slice(at, at + maxTenants).flat());
  }
  return groups;
}

/** The stored events that a batch has sent again, one entry per resend. */
function resendsOf(batch: Batch, decision: BatchDecision): readonly ResendCount[] {
  const { outcomes, position, receivedAt: lastAt } = decision;
  const isAborted = batch.atomic && outcomes.some(({ status }) => status === 'failed');
  return outcomes.flatMap((outcome) => {
    const version = resentVersion(outcome);
    // An event of an aborted batch may repeat an event of the same batch, which is not stored.
    if (version === undefined || (isAborted && version > position.version)) return [];
    return [{ tenantId: batch.tenantId, version, count: 1, lastAt }];
  });
}
