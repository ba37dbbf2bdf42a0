import { RequestProblem } from '../errors.ts';
import type { Batch } from './batch.ts';

export interface GroupCommitOptions<Decision> {
  /** Stores a group of batches in one transaction; one decision per batch, in order. */
  readonly commit: (batches: readonly Batch[]) => Promise<readonly Decision[]>;
  /** Groups under way at once. */
  readonly lanes: number;
  /** Events, and bytes of payload, a group; a single batch may be larger and then goes alone. */
  readonly maxGroupEvents: number;
  readonly maxGroupBytes: number;
  /** Batches of one tenant that may wait; one more is refused. */
  readonly maxTenantBatches: number;
  /** Events, and bytes of payload, of all tenants that may wait; a batch beyond is refused. */
  readonly maxQueuedEvents: number;
  readonly maxQueuedBytes: number;
  /** A group failed for what one of its batches holds, and its batches are run one by one. */
  readonly onIsolate: (batches: number, error: unknown) => void;
}

export interface Committed<Decision> {
  readonly decision: Decision;
  /** From arrival to the start of the transaction, in milliseconds. */
  readonly queueWaitMs: number;
  readonly transactionMs: number;
}

export interface GroupCommit<Decision> {
  /**
   * Waits for a place in a transaction, and for that transaction's end.
   *
   * @throws RequestProblem TENANT_BUSY, OVERLOADED, UNAVAILABLE or COMMIT_UNKNOWN
   */
  submit(batch: Batch): Promise<Committed<Decision>>;
}

interface Waiting<Decision> {
  readonly batch: Batch;
  readonly arrivedAt: number;
  readonly resolve: (committed: Committed<Decision>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: while transactions are under way, later batches wait, and what waits when one ends
 * goes together into the next. No timer, so nothing waits where nothing is under way.
 *
 * A tenant is in one group at a time: lanes never wait for each other's row locks, and a tenant's
 * batches are decided in order of arrival. Tenants take turns, so none fills a group while others
 * wait.
 */
export function createGroupCommit<Decision>(
  options: GroupCommitOptions<Decision>,
): GroupCommit<Decision> {
  /** In turn order: a tenant that was served goes to the end. */
  const queues = new Map<string, Waiting<Decision>[]>();
  const busyTenants = new Set<string>();
  let busyLanes = 0;
  const queued = new Load();

  function admit(batch: Batch): void {
    if ((queues.get(batch.tenantId)?.length ?? 0) >= options.maxTenantBatches) {
      throw new RequestProblem('TENANT_BUSY', undefined, { retryAfter: jitteredSeconds() });
    }
    if (!queued.takes(batch, options.maxQueuedEvents, options.maxQueuedBytes)) {
      throw new RequestProblem('OVERLOADED', undefined, { retryAfter: jitteredSeconds() });
    }
  }

  function enqueue(waiting: Waiting<Decision>): void {
    const queue = queues.get(waiting.batch.tenantId);
    if (queue) queue.push(waiting);
    else queues.set(waiting.batch.tenantId, [waiting]);
    queued.add(waiting.batch);
  }

  /** One batch of each idle tenant in turn, round after round, until the group is full. */
  function takeGroup(): Waiting<Decision>[] {
    const group: Waiting<Decision>[] = [];
    const load = new Load();
    let open = [...queues].filter(([tenantId]) => !busyTenants.has(tenantId));
    while (open.length > 0) {
      open = open.filter(([tenantId, queue]) => {
        const next = queue[0];
        if (!next || !load.takes(next.batch, options.maxGroupEvents, options.maxGroupBytes)) {
          return false;
        }
        queue.shift();
        group.push(next);
        load.add(next.batch);
        queued.remove(next.batch);
        busyTenants.add(tenantId);
        return true;
      });
    }
    for (const tenantId of new Set(group.map(({ batch }) => batch.tenantId))) {
      const rest = queues.get(tenantId);
      queues.delete(tenantId);
      if (rest && rest.length > 0) queues.set(tenantId, rest);
    }
    return group;
  }

  function fillLanes(): void {
    while (busyLanes < options.lanes) {
      const group = takeGroup();
      if (group.length === 0) return;
      busyLanes += 1;
      void runGroup(group).finally(() => {
        busyLanes -= 1;
        for (const { batch } of group) busyTenants.delete(batch.tenantId);
        fillLanes();
      });
    }
  }

  async function runGroup(group: readonly Waiting<Decision>[]): Promise<void> {
    const error = await tryGroup(group);
    if (error === undefined) return;
    if (group.length === 1 || error instanceof RequestProblem) {
      for (const waiting of group) waiting.reject(error);
      return;
    }
    // The fault lies in what some batch holds, or in its tenant's lock: alone, the others succeed.
    // The tenants go side by side, as none should wait for another's fault.
    options.onIsolate(group.length, error);
    const ofTenants = Map.groupBy(group, ({ batch }) => batch.tenantId);
    await Promise.all([...ofTenants.values()].map(runInOrder));
  }

  async function runInOrder(ofTenant: readonly Waiting<Decision>[]): Promise<void> {
    for (const waiting of ofTenant) {
      const error = await tryGroup([waiting]);
      if (error !== undefined) waiting.reject(error);
    }
  }

  /** Resolves who waits, or returns the error. Never throws. */
  async function tryGroup(group: readonly Waiting<Decision>[]): Promise<unknown> {
    const startedAt = performance.now();
    try {
      const decisions = await options.commit(group.map(({ batch }) => batch));
      const transactionMs = performance.now() - startedAt;
      for (const [index, { resolve, reject, arrivedAt }] of group.entries()) {
        const decision = decisions[index];
        // Committed all the same: to run it again would answer the others twice.
        if (decision === undefined) reject(new RequestProblem('INTERNAL'));
        else resolve({ decision, queueWaitMs: startedAt - arrivedAt, transactionMs });
      }
      return undefined;
    } catch (error) {
      return error;
    }
  }

  return {
    submit(batch) {
      return new Promise((resolve, reject) => {
        admit(batch);
        enqueue({ batch, arrivedAt: performance.now(), resolve, reject });
        fillLanes();
      });
    },
  };
}

/** How much batches add up to, for a bound that always has room for one. */
class Load {
  #events = 0;
  #bytes = 0;

  takes(batch: Batch, maxEvents: number, maxBytes: number): boolean {
    if (this.#events === 0) return true;
    return this.#events + batch.events.length <= maxEvents && this.#bytes + batch.bytes <= maxBytes;
  }

  add({ events, bytes }: Batch): void {
    this.#events += events.length;
    this.#bytes += bytes;
  }

  remove({ events, bytes }: Batch): void {
    this.#events -= events.length;
    this.#bytes -= bytes;
  }
}

/** Apart from each other, so that those refused together do not come back together. */
function jitteredSeconds(): number {
  return 1 + Math.floor(Math.random() * 4);
}
