import { setImmediate as endTurn } from 'node:timers/promises';
import { createMicroBatcher } from '../scheduling/micro-batching.ts';
import { WorkLimitError } from '../scheduling/work-budget.ts';
import { batchTooLargeError, overloadedError, tenantBusyError } from '../scheduling/refusals.ts';
import { FairQueue } from '../scheduling/fair-queue.ts';
import { RequestProblem } from '../domain/errors.ts';
import { type QuarantineState, TenantQuarantine } from './tenant-quarantine.ts';
import { BatchTotals } from './batch-totals.ts';
import type { Batch } from '../domain/decide/batch.ts';

export interface CommitQueueOptions<Decision> {
  /** Stores a group of batches in one transaction; one decision per batch, in order. */
  readonly commit: (batches: readonly Batch[]) => Promise<readonly Decision[]>;
  /** Groups under way at once, beside one more of a tenant that goes apart. */
  readonly lanes: number;
  /**
   * Events, and bytes of payloads and of the records they are expected to load, a group; a single batch
   * may be larger and then goes alone.
   */
  readonly maxGroupEvents: number;
  readonly maxGroupBytes: number;
  /** Of its payloads and of the records that it is expected to load. */
  readonly expectedBytesOf: (batch: Batch) => number;
  /** Tenants a group. */
  readonly maxGroupTenants: number;
  /** Batches of one tenant that may wait; one more is refused. */
  readonly maxTenantBatches: number;
  /** Events, and bytes of payload, of all tenants that may wait; a batch beyond is refused. */
  readonly maxQueuedEvents: number;
  readonly maxQueuedBytes: number;
  /** For its transaction to begin, in milliseconds; a batch that waits longer is refused. */
  readonly maxWaitMs: number;
  /** A group failed for what one of its batches holds, and its batches are run one by one. */
  readonly onIsolate: (batches: number, error: unknown) => void;
}

export interface CommittedBatch<Decision> {
  readonly decision: Decision;
  /** From arrival to the start of the transaction, in milliseconds. */
  readonly queueWaitMs: number;
  readonly transactionMs: number;
}

export interface CommitQueue<Decision> {
  /**
   * Waits for a place in a transaction, and for that transaction's end.
   *
   * @throws RequestProblem TENANT_BUSY, OVERLOADED, UNAVAILABLE, COMMIT_UNKNOWN or BATCH_TOO_LARGE
   */
  submit(batch: Batch): Promise<CommittedBatch<Decision>>;
  /** Whether the next batch of the tenant would be refused for those of it that wait. */
  isBusy(tenantId: string): boolean;
  /** Whether the last batch that came was refused for all that waits, and still would be. */
  isFull(): boolean;
}

interface PendingBatch<Decision> {
  readonly batch: Batch;
  readonly arrivedAt: number;
  readonly resolve: (committed: CommittedBatch<Decision>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: while transactions are under way, later batches wait, and what waits when one ends
 * goes together into the next. No timer: where nothing is under way, a batch waits for no more than
 * what has arrived with it.
 *
 * A tenant is in one group at a time: lanes never wait for each other's row locks, and a tenant's
 * batches are decided in order of arrival. Tenants take turns, so none fills a group while others
 * wait.
 *
 * A group that fails for what one of its batches holds, or for a lock on one of its tenants, is
 * dissolved, and its tenants go apart, batch by batch, in any lane. One that fails again goes on apart,
 * in a lane beside the others, until it succeeds: nobody else waits for it a second time.
 */
export function createCommitQueue<Decision>(
  options: CommitQueueOptions<Decision>,
): CommitQueue<Decision> {
  const waiting = new FairQueue<PendingBatch<Decision>>();
  const busyTenants = new Set<string>();
  const apart = new TenantQuarantine();
  let busyLanes = 0;
  let isSpareLaneBusy = false;
  const queued = new BatchTotals();
  /** A batch was refused, and no room has been made since. */
  let isFull = false;

  const isBusy = (tenantId: string) => waiting.sizeOf(tenantId) >= options.maxTenantBatches;

  function admit(batch: Batch): void {
    if (isBusy(batch.tenantId)) throw tenantBusyError();
    if (queued.takes(batch, options.maxQueuedEvents, options.maxQueuedBytes)) return;
    isFull = true;
    throw overloadedError();
  }

  /** Nothing of it is stored, and its client is told so before it gives up by itself. */
  function giveUp(late: PendingBatch<Decision>): void {
    const { tenantId } = late.batch;
    if (!waiting.remove(tenantId, late)) return;
    queued.remove(late.batch);
    isFull = false;
    late.reject(canGo(tenantId) && !apart.has(tenantId) ? overloadedError() : tenantBusyError());
  }

  /** Hands on what it takes only as long as a group has room. */
  function intoGroup(): (next: PendingBatch<Decision>) => boolean {
    const load = new BatchTotals();
    return ({ batch }) => {
      const expected = { events: batch.events, bytes: options.expectedBytesOf(batch) };
      if (!load.takes(expected, options.maxGroupEvents, options.maxGroupBytes)) return false;
      load.add(expected);
      return true;
    };
  }

  const canGo = (tenantId: string) => !busyTenants.has(tenantId);

  function takeGroup(): readonly PendingBatch<Decision>[] {
    const isOpen = (tenantId: string) => canGo(tenantId) && !apart.has(tenantId);
    return waiting.takeRoundRobin(isOpen, intoGroup(), options.maxGroupTenants);
  }

  function takeApart(among: QuarantineState): readonly PendingBatch<Decision>[] {
    const tenantId = apart.next(among, (id) => canGo(id) && waiting.sizeOf(id) > 0);
    return tenantId === undefined ? [] : waiting.takeOf(tenantId, intoGroup());
  }

  /** A lane that would be the only one under way waits for no more. */
  const isDue = () => busyLanes === 0 || queued.events >= options.maxGroupEvents;
  const fillSoon = createMicroBatcher(() => waiting.size, isDue, fillLanes);

  function fillLanes(): void {
    fillSpareLane();
    while (busyLanes < options.lanes) {
      const dissolved = takeApart('suspected');
      const group = dissolved.length > 0 ? dissolved : takeGroup();
      if (group.length === 0) break;
      busyLanes += 1;
      start(group, dissolved.length > 0, () => (busyLanes -= 1));
    }
  }

  function fillSpareLane(): void {
    if (isSpareLaneBusy) return;
    const group = takeApart('either');
    if (group.length === 0) return;
    isSpareLaneBusy = true;
    start(group, true, () => (isSpareLaneBusy = false));
  }

  function start(
    group: readonly PendingBatch<Decision>[],
    isApart: boolean,
    leaveLane: () => void,
  ): void {
    isFull = false;
    for (const { batch } of group) {
      queued.remove(batch);
      busyTenants.add(batch.tenantId);
    }
    void (isApart ? runApart(group) : runGroup(group)).finally(() => {
      leaveLane();
      for (const { batch } of group) busyTenants.delete(batch.tenantId);
      fillSoon();
    });
  }

  async function runGroup(group: readonly PendingBatch<Decision>[]): Promise<void> {
    const error = await tryGroup(group);
    if (error === undefined) return;
    if (group.length === 1 || error instanceof RequestProblem) {
      for (const { reject } of group) reject(error);
      return;
    }
    options.onIsolate(group.length, error);
    for (const [tenantId, ofTenant] of Map.groupBy(group, ({ batch }) => batch.tenantId)) {
      apart.quarantine(tenantId);
      waiting.putBack(tenantId, ofTenant);
      for (const { batch } of ofTenant) queued.add(batch);
    }
  }

  /** Of one tenant. Where the database does not take one batch, it would let the rest wait as long. */
  async function runApart(ofTenant: readonly PendingBatch<Decision>[]): Promise<void> {
    let failed = false;
    let unavailable: RequestProblem | undefined;
    for (const next of ofTenant) {
      const error = unavailable ?? (await tryGroup([next]));
      if (error === undefined) continue;
      next.reject(error);
      failed = true;
      if (error instanceof RequestProblem && error.code === 'UNAVAILABLE') unavailable = error;
    }
    const tenantId = ofTenant[0]?.batch.tenantId ?? '';
    if (failed) apart.keepQuarantined(tenantId);
    else apart.release(tenantId);
  }

  /** Resolves who waits, or returns the error. Never throws. */
  async function tryGroup(group: readonly PendingBatch<Decision>[]): Promise<unknown> {
    const startedAt = performance.now();
    try {
      const decisions = await options.commit(group.map(({ batch }) => batch));
      const transactionMs = performance.now() - startedAt;
      let answering = 0;
      for (const [index, { batch, resolve, reject, arrivedAt }] of group.entries()) {
        const decision = decisions[index];
        // Committed all the same: to run it again would answer the others twice.
        if (decision === undefined) reject(new RequestProblem('INTERNAL'));
        else resolve({ decision, queueWaitMs: startedAt - arrivedAt, transactionMs });
        // Each answer is printed before the next turn begins, and may show all that was loaded.
        answering += options.expectedBytesOf(batch);
        if (answering < maxAnsweredBytes) continue;
        answering = 0;
        await endTurn();
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof WorkLimitError) || group.length > 1) return error;
      return batchTooLargeError(group[0]?.batch.events.length ?? 1, error);
    }
  }

  return {
    async submit(batch) {
      const { promise, resolve, reject } = Promise.withResolvers<CommittedBatch<Decision>>();
      admit(batch);
      const next = { batch, arrivedAt: performance.now(), resolve, reject };
      waiting.add(batch.tenantId, next);
      queued.add(batch);
      const late = setTimeout(() => giveUp(next), options.maxWaitMs);
      fillSoon();
      return promise.finally(() => clearTimeout(late));
    },
    isBusy,
    isFull: () => isFull,
  };
}

/** Bytes of what a group's answers may show that are printed in one turn of the event loop. */
const maxAnsweredBytes = 1_048_576;
