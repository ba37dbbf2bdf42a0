import type { ResendCount } from '../audit/audit-store.ts';
import type { Batch } from '../domain/decide/batch.ts';
import type { BatchDecision, EventOutcome } from '../domain/decide/outcome.ts';

export interface ResendCounterOptions {
  readonly write: (counts: readonly ResendCount[]) => Promise<void>;
  /** From the first replay to the writing of all that came meanwhile, in milliseconds. */
  readonly delayMs: number;
  /** The same after a write that failed. */
  readonly retryMs: number;
  /** Events that may wait to be written; the replays of others are then not counted. */
  readonly maxEvents: number;
  /** Tenants a write; what comes of more is written one part after the other. */
  readonly maxGroupTenants: number;
  /** They wait on, and are written with the next ones. */
  readonly onFailed: (error: unknown, waiting: number) => void;
}

export interface ResendCounter {
  /** After the batches were committed: a decision for each, in the same order. */
  count(batches: readonly Batch[], decisions: readonly BatchDecision[]): void;
  /** Writes what still waits. */
  close(): Promise<void>;
}

/**
 * Counts how often stored events are sent again. Written behind: a push that holds nothing but
 * duplicates writes nothing, and must stay that cheap. Counts may be lost with the process, and a
 * write whose answer got lost counts twice.
 */
export function createResendCounter(options: ResendCounterOptions): ResendCounter {
  const waiting = new Map<string, ResendCount>();
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> | undefined;
  let nextDelayMs = options.delayMs;

  function add(counted: ResendCount): void {
    const key = `${counted.version}\n${counted.tenantId}`;
    const before = waiting.get(key);
    if (!before && waiting.size >= options.maxEvents) return;
    waiting.set(key, {
      ...counted,
      count: counted.count + (before?.count ?? 0),
      lastAt: Math.max(counted.lastAt, before?.lastAt ?? counted.lastAt),
    });
  }

  function schedule(): void {
    if (timer || underWay || waiting.size === 0) return;
    timer = setTimeout(() => void flush(), nextDelayMs).unref();
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    underWay ??= writeWaiting().finally(() => {
      underWay = undefined;
      schedule();
    });
    return underWay;
  }

  async function writeWaiting(): Promise<void> {
    const parts = partsOf([...waiting.values()], options.maxGroupTenants);
    waiting.clear();
    const errors: unknown[] = [];
    for (const part of parts) {
      try {
        await options.write(part);
      } catch (error) {
        errors.push(error);
        for (const counted of part) add(counted);
      }
    }
    nextDelayMs = errors.length > 0 ? options.retryMs : options.delayMs;
    // Once for all parts: a database that is down would have a line for each tenant.
    if (errors.length > 0) options.onFailed(errors[0], waiting.size);
  }

  return {
    count(batches, decisions) {
      for (const [index, decision] of decisions.entries()) {
        const batch = batches[index];
        if (batch) for (const replay of replaysOf(batch, decision)) add(replay);
      }
      schedule();
    },
    async close() {
      await underWay;
      await flush();
      clearTimeout(timer);
    },
  };
}

/** A tenant is in one part, with all of its counts. */
function partsOf(counts: readonly ResendCount[], maxTenants: number): readonly ResendCount[][] {
  const ofTenants = [...Map.groupBy(counts, ({ tenantId }) => tenantId).values()];
  const parts: ResendCount[][] = [];
  for (let at = 0; at < ofTenants.length; at += maxTenants) {
    parts.push(ofTenants.slice(at, at + maxTenants).flat());
  }
  return parts;
}

/** The stored events that a batch sent again, one entry for each time. */
function replaysOf(batch: Batch, decision: BatchDecision): readonly ResendCount[] {
  const { outcomes, position, receivedAt: lastAt } = decision;
  const aborted = batch.atomic && outcomes.some(({ status }) => status === 'failed');
  return outcomes.flatMap((outcome) => {
    const version = replayOf(outcome);
    // In a batch that was aborted, an event may repeat one of the same batch, which is not stored.
    if (version === undefined || (aborted && version > position.version)) return [];
    return [{ tenantId: batch.tenantId, version, count: 1, lastAt }];
  });
}

function replayOf(outcome: EventOutcome): number | undefined {
  if (outcome.status === 'failed') return outcome.replayOf;
  return outcome.status === 'duplicate' ? outcome.event.version : undefined;
}
