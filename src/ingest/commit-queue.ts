import { setImmediate as nextEventLoopTurn } from 'node:timers/promises';
import type { Batch } from '../domain/decide/batch.ts';
import { RequestProblem } from '../domain/errors.ts';
import { FairQueue } from '../scheduling/fair-queue.ts';
import { createMicroBatcher } from '../scheduling/micro-batching.ts';
import { batchTooLargeError, overloadedError, tenantBusyError } from '../scheduling/refusals.ts';
import { WorkLimitError } from '../scheduling/work-budget.ts';
import { BatchTotals, type QuarantineState, TenantQuarantine } from './commit-groups.ts';

export interface CommitQueueOptions<Decision> {
  /** Stores a group of batches in one transaction. Returns one decision per batch, in the same order. */
  readonly commit: (batches: readonly Batch[]) => Promise<readonly Decision[]>;
  /** Maximum of transactions at a time. One more may run for a tenant in quarantine. */
  readonly lanes: number;
  /** Maximum of events, and of `expectedBytesOf`, in a group. A larger batch is committed alone. */
  readonly maxGroupEvents: number;
  readonly maxGroupBytes: number;
  /** Bytes of the batch's payloads and of the records that it will probably load. */
  readonly expectedBytesOf: (batch: Batch) => number;
  readonly maxGroupTenants: number;
  /** Maximum of batches of one tenant that wait. The next one is refused. */
  readonly maxTenantBatches: number;
  /** Maximum of events, and of bytes of payload, that wait for all tenants. The next batch is refused. */
  readonly maxQueuedEvents: number;
  readonly maxQueuedBytes: number;
  /** Maximum wait for the start of the transaction, in milliseconds. Then the batch is refused. */
  readonly maxWaitMs: number;
  /** Called when a group has failed because of one of its batches. Its batches are then committed one by one. */
  readonly onGroupDissolved: (batchCount: number, error: unknown) => void;
}

export interface CommittedBatch<Decision> {
  readonly decision: Decision;
  /** From the arrival of the batch to the start of the transaction, in milliseconds. */
  readonly queueWaitMs: number;
  readonly transactionMs: number;
}

export interface CommitQueue<Decision> {
  /**
   * Waits until the batch was committed, alone or in a group.
   *
   * @throws RequestProblem TENANT_BUSY, OVERLOADED, UNAVAILABLE, COMMIT_UNKNOWN or BATCH_TOO_LARGE
   */
  submit(batch: Batch): Promise<CommittedBatch<Decision>>;
  /** Whether the next batch of the tenant would be refused because too many of its batches wait. */
  isBusy(tenantId: string): boolean;
  /** Whether a batch was refused because too much waits in all, and no group has started since. */
  isFull(): boolean;
}

interface PendingBatch<Decision> {
  readonly batch: Batch;
  readonly arrivedAt: number;
  readonly resolve: (committed: CommittedBatch<Decision>) => void;
  readonly reject: (error: unknown) => void;
}

/** A group of fewer events is not divided among lanes: a transaction costs as much as some twenty events. */
const minSharedEvents = 16;

/** Maximum wait of a group for more batches while another one runs, in milliseconds. */
const maxHoldMs = 10;

/** Maximum of bytes that the answers of a group may show in one turn of the event loop. */
const maxAnswerBytesPerTurn = 1_048_576;

/**
 * Group commit. While transactions run, new batches wait. When a transaction ends, the batches that wait
 * are committed together in the next one. When no transaction runs, a batch waits only for the batches that
 * arrive in the same turn of the event loop.
 *
 * The lanes share the work: a group takes its part of all that waits and is under way, and beside a larger
 * group it waits for a moment until as much has arrived. So PostgreSQL works for one lane while this process
 * works for the other. Otherwise most batches would gather in one large group, and small groups beside it
 * would each pay for a transaction.
 *
 * A tenant is in one group at a time. So transactions never wait for each other's row locks, and the
 * batches of a tenant are decided in the order of their arrival. Tenants take turns: a tenant with many
 * batches cannot fill a group while other tenants wait.
 *
 * A group may fail because of one of its batches, or because of a lock on one of its tenants. Then the
 * queue dissolves the group and quarantines its tenants: their batches are committed one by one. A tenant
 * that fails again stays in quarantine, in a lane of its own, until one of its batches succeeds. So no other
 * tenant waits for it twice.
 */
export function createCommitQueue<Decision>(
  options: CommitQueueOptions<Decision>,
): CommitQueue<Decision> {
  const pending = new FairQueue<PendingBatch<Decision>>();
  const tenantsInTransaction = new Set<string>();
  const quarantine = new TenantQuarantine();
  const queued = new BatchTotals();
  /** What the groups of tenants that are not in quarantine hold. */
  const underWay = new BatchTotals();
  let holdTimer: NodeJS.Timeout | undefined;
  let busyLanes = 0;
  let isQuarantineLaneBusy = false;
  let isFull = false;
  const isBusy = (tenantId: string) => pending.sizeOf(tenantId) >= options.maxTenantBatches;
  const isIdle = (tenantId: string) => !tenantsInTransaction.has(tenantId);

  function assertRoomFor(batch: Batch): void {
    if (isBusy(batch.tenantId)) throw tenantBusyError();
    if (queued.takes(batch, options.maxQueuedEvents, options.maxQueuedBytes)) return;
    isFull = true;
    throw overloadedError();
  }

  /** Refuses a batch that has waited too long. Its client hears that nothing of it was stored. */
  function expire(late: PendingBatch<Decision>): void {
    const { tenantId } = late.batch;
    if (!pending.remove(tenantId, late)) return;
    queued.remove(late.batch);
    isFull = false;
    late.reject(
      isIdle(tenantId) && !quarantine.has(tenantId) ? overloadedError() : tenantBusyError(),
    );
  }

  /** The returned function accepts batches as long as the group has room for them. */
  function fillGroup(
    group: BatchTotals,
    maxEvents: number,
  ): (next: PendingBatch<Decision>) => boolean {
    return ({ batch }) => {
      const expected = { events: batch.events, bytes: options.expectedBytesOf(batch) };
      if (!group.takes(expected, maxEvents, options.maxGroupBytes)) return false;
      group.add(expected);
      return true;
    };
  }

  function takeGroup(): readonly PendingBatch<Decision>[] {
    const isAvailable = (tenantId: string) => isIdle(tenantId) && !quarantine.has(tenantId);
    const share = Math.ceil((underWay.events + queued.events) / options.lanes);
    const maxEvents = Math.min(Math.max(share, minSharedEvents), options.maxGroupEvents);
    const group = new BatchTotals();
    const ofAll = fillGroup(group, maxEvents);
    const taken = pending.takeRoundRobin(isAvailable, ofAll, options.maxGroupTenants);
    // No other lane could take what else waits of these tenants.
    const tenants = new Set(taken.map(({ batch }) => batch.tenantId));
    const ofThese = fillGroup(group, options.maxGroupEvents);
    return [
      ...taken,
      ...pending.takeRoundRobin((tenantId) => tenants.has(tenantId), ofThese, tenants.size),
    ];
  }

  function takeQuarantined(states: QuarantineState): readonly PendingBatch<Decision>[] {
    const isWaiting = (tenantId: string) => isIdle(tenantId) && pending.sizeOf(tenantId) > 0;
    const tenantId = quarantine.next(states, isWaiting);
    return tenantId === undefined
      ? []
      : pending.takeOf(tenantId, fillGroup(new BatchTotals(), options.maxGroupEvents));
  }

  /** A transaction that would be the only one, or a full group, starts without waiting for more batches. */
  const mustStartNow = () => busyLanes === 0 || queued.events >= options.maxGroupEvents;
  const scheduleLanes = createMicroBatcher(() => pending.size, mustStartNow, fillLanes);

  function fillLanes(): void {
    fillQuarantineLane();
    while (busyLanes < options.lanes && (fillSuspectedLane() || fillSharedLane()));
  }

  function fillSuspectedLane(): boolean {
    const group = takeQuarantined('suspected');
    if (group.length === 0) return false;
    busyLanes += 1;
    start(group, true, () => (busyLanes -= 1));
    return true;
  }

  /** Starts a group, or holds it for a moment if it would be smaller than those under way. */
  function fillSharedLane(isHeld = false): boolean {
    if (!isHeld && queued.events < underWay.events / Math.max(busyLanes, 1)) {
      if (queued.events > 0) holdTimer ??= setTimeout(endHold, maxHoldMs);
      return false;
    }
    const group = takeGroup();
    if (group.length === 0) return false;
    clearTimeout(holdTimer);
    holdTimer = undefined;
    busyLanes += 1;
    for (const { batch } of group) underWay.add(batch);
    start(group, false, () => {
      busyLanes -= 1;
      for (const { batch } of group) underWay.remove(batch);
    });
    return true;
  }

  function endHold(): void {
    holdTimer = undefined;
    if (busyLanes < options.lanes) fillSharedLane(true);
  }

  function fillQuarantineLane(): void {
    if (isQuarantineLaneBusy) return;
    const group = takeQuarantined('either');
    if (group.length === 0) return;
    isQuarantineLaneBusy = true;
    start(group, true, () => (isQuarantineLaneBusy = false));
  }

  function start(
    group: readonly PendingBatch<Decision>[],
    isQuarantined: boolean,
    freeLane: () => void,
  ): void {
    isFull = false;
    for (const { batch } of group) {
      queued.remove(batch);
      tenantsInTransaction.add(batch.tenantId);
    }
    void (isQuarantined ? commitOneByOne(group) : commitGroup(group)).finally(() => {
      freeLane();
      for (const { batch } of group) tenantsInTransaction.delete(batch.tenantId);
      scheduleLanes();
    });
  }

  async function commitGroup(group: readonly PendingBatch<Decision>[]): Promise<void> {
    const error = await tryCommit(group);
    if (error === undefined) return;
    if (group.length === 1 || error instanceof RequestProblem) {
      for (const { reject } of group) reject(error);
      return;
    }
    options.onGroupDissolved(group.length, error);
    for (const [tenantId, batches] of Map.groupBy(group, ({ batch }) => batch.tenantId)) {
      quarantine.quarantine(tenantId);
      pending.putBack(tenantId, batches);
      for (const { batch } of batches) queued.add(batch);
    }
  }

  /**
   * Commits batches of one tenant one after the other. When the database is unavailable for one of them,
   * the others are refused at once: each would wait as long.
   */
  async function commitOneByOne(batches: readonly PendingBatch<Decision>[]): Promise<void> {
    let hasFailed = false;
    let unavailable: RequestProblem | undefined;
    for (const next of batches) {
      const error = unavailable ?? (await tryCommit([next]));
      if (error === undefined) continue;
      next.reject(error);
      hasFailed = true;
      if (error instanceof RequestProblem && error.code === 'UNAVAILABLE') unavailable = error;
    }
    const tenantId = batches[0]?.batch.tenantId ?? '';
    if (hasFailed) quarantine.keepQuarantined(tenantId);
    else quarantine.release(tenantId);
  }

  /** Resolves the batches of the group, or returns the error. Never throws. */
  async function tryCommit(group: readonly PendingBatch<Decision>[]): Promise<unknown> {
    const startedAt = performance.now();
    try {
      const decisions = await options.commit(group.map(({ batch }) => batch));
      return await resolveAll(group, decisions, startedAt);
    } catch (error) {
      if (!(error instanceof WorkLimitError) || group.length > 1) return error;
      return batchTooLargeError(group[0]?.batch.events.length ?? 1, error);
    }
  }

  /** An answer is printed before the next turn of the event loop, and may show every record of its batch. */
  async function resolveAll(
    group: readonly PendingBatch<Decision>[],
    decisions: readonly Decision[],
    startedAt: number,
  ): Promise<void> {
    const transactionMs = performance.now() - startedAt;
    let answerBytes = 0;
    for (const [index, { batch, resolve, reject, arrivedAt }] of group.entries()) {
      const decision = decisions[index];
      // The transaction is committed. To run the group again would answer the other batches twice.
      if (decision === undefined) reject(new RequestProblem('INTERNAL'));
      else resolve({ decision, queueWaitMs: startedAt - arrivedAt, transactionMs });
      answerBytes += options.expectedBytesOf(batch);
      if (answerBytes < maxAnswerBytesPerTurn) continue;
      answerBytes = 0;
      await nextEventLoopTurn();
    }
  }

  return {
    async submit(batch) {
      const { promise, resolve, reject } = Promise.withResolvers<CommittedBatch<Decision>>();
      assertRoomFor(batch);
      const next = { batch, arrivedAt: performance.now(), resolve, reject };
      pending.add(batch.tenantId, next);
      queued.add(batch);
      const expiry = setTimeout(() => expire(next), options.maxWaitMs);
      scheduleLanes();
      return promise.finally(() => clearTimeout(expiry));
    },
    isBusy,
    isFull: () => isFull,
  };
}
