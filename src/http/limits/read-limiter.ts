import type { Writable } from 'node:stream';
import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';
import { FairQueue } from '../../scheduling/fair-queue.ts';

export interface ReadLimiterOptions {
  /** The maximum of concurrent reads. A read occupies one lane, and uses at most one connection. */
  readonly lanes: number;
  /** The maximum of waiting reads of one tenant. A further read is refused. */
  readonly maxTenantReads: number;
  /** The maximum of waiting reads of all tenants. A further read is refused. */
  readonly maxQueuedReads: number;
  /** The maximum of tenants in one coalesced read. */
  readonly maxGroupTenants: number;
  /** Throws if the tenant's answers reach their maximum. Called when the read gets a lane. */
  readonly admitAnswer: (tenantId: string) => void;
}

/** The request that a read belongs to. */
export interface Reader {
  readonly tenantId: string;
  /** The response of the request. Nobody waits for the read once the response is closed. */
  readonly answer: Pick<Writable, 'destroyed' | 'writableEnded' | 'once' | 'off'>;
}

export interface ReadLimiter {
  /**
   * Waits for a lane, then reads.
   *
   * @throws RequestProblem TENANT_BUSY or OVERLOADED if the read was refused; whatever `read` throws
   */
  run<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /** Like `run`, without the bounds on waiting reads: for a further read of an admitted request. */
  runNextRead<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /** Like `runNextRead`, without `admitAnswer`: for a read that shows the result of a finished write. */
  runAdmitted<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /**
   * Answers many readers with one read. While a read is in progress, later readers wait. When it ends,
   * the next read answers all that wait, up to its bounds. Each read occupies one lane. A reader that
   * finds no read in progress does not wait for others.
   *
   * @param read returns one result per query, in the same order; if it throws, it fails for all readers
   * @returns like `run`, for one query
   */
  coalesce<Query, Result>(
    read: (queries: readonly Query[]) => Promise<readonly Result[]>,
  ): (reader: Reader, query: Query) => Promise<Result>;
  /** Whether the next read would be refused for every tenant. */
  isFull(): boolean;
}

type StartRead = () => void;

/** One of the reads that a single read answers. */
interface CoalescedRead<Query, Result> {
  readonly query: Query;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** The maximum of readers that one read answers. It bounds the statement and the time in the lane. */
const maxCoalescedReads = 200;

/**
 * Bounds the reads before they request a connection. The queue of the connection pool is no substitute:
 * it is unbounded and does not know tenants. Tenants take turns. A coalesced read goes before single
 * reads, but not twice in a row while a single read waits for the same lane.
 */
export function createReadLimiter(options: ReadLimiterOptions): ReadLimiter {
  const singleReads = new FairQueue<StartRead>();
  /** Every queue of waiting reads: single ones and those to be coalesced. The bounds apply to their sum. */
  const queues: Pick<FairQueue<unknown>, 'size' | 'sizeOf'>[] = [singleReads];
  const coalescedReads: StartRead[] = [];
  let busyLanes = 0;
  const sumOfQueues = (sizeOf: (queue: (typeof queues)[number]) => number) =>
    queues.reduce((total, queue) => total + sizeOf(queue), 0);
  const isFull = () => sumOfQueues(({ size }) => size) >= options.maxQueuedReads;

  function assertRoomToWait(tenantId: string): void {
    const tenantReads = sumOfQueues((queue) => queue.sizeOf(tenantId));
    if (tenantReads >= options.maxTenantReads) throw tenantBusyError();
    if (isFull()) throw overloadedError();
  }

  /** @param waitForLane called if no lane is free; resolves when the read has taken over a lane */
  async function takeLane(waitForLane: () => Promise<void>): Promise<void> {
    if (busyLanes >= options.lanes) return waitForLane();
    busyLanes += 1;
  }

  function waitAsSingleRead(reader: Reader): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const removeListener = enqueue(singleReads, reader, resolve, reject);
    return promise.finally(removeListener);
  }

  const waitAsCoalescedRead = () => new Promise<void>((start) => coalescedReads.push(start));

  /** Passes the lane on to the next waiting read. So no read that arrives now can overtake it. */
  function leaveLane(): void {
    const start = coalescedReads.shift() ?? singleReads.next();
    if (start) start();
    else busyLanes -= 1;
  }

  async function runAdmitted<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result> {
    // The client left during an earlier read. Its `close` event would not remove this read from the queue.
    if (reader.answer.destroyed) throw overloadedError();
    await takeLane(() => waitAsSingleRead(reader));
    try {
      return await read();
    } finally {
      leaveLane();
    }
  }

  function runNextRead<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result> {
    return runAdmitted(reader, async () => {
      options.admitAnswer(reader.tenantId);
      return read();
    });
  }

  return {
    async run(reader, read) {
      if (busyLanes >= options.lanes) assertRoomToWait(reader.tenantId);
      return runNextRead(reader, read);
    },
    runNextRead,
    runAdmitted,
    coalesce<Query, Result>(read: (queries: readonly Query[]) => Promise<readonly Result[]>) {
      const pendingReads = new FairQueue<CoalescedRead<Query, Result>>();
      queues.push(pendingReads);
      let isReading = false;

      async function readPending(): Promise<void> {
        isReading = true;
        await takeLane(waitAsCoalescedRead);
        let capacity = maxCoalescedReads;
        const group = pendingReads.takeRoundRobin(
          () => true,
          () => capacity-- > 0,
          options.maxGroupTenants,
        );
        if (group.length > 0) await readGroup(group, read);
        leaveLane();
        isReading = false;
        if (pendingReads.size > 0) void readPending();
      }

      return async (reader: Reader, query: Query) => {
        if (isReading || busyLanes >= options.lanes) assertRoomToWait(reader.tenantId);
        const { promise, resolve, reject } = Promise.withResolvers<Result>();
        const removeListener = enqueue(pendingReads, reader, { query, resolve, reject }, reject);
        if (!isReading) void readPending();
        return promise.finally(removeListener);
      };
    },
    isFull,
  };
}

/** Never rejects: a failure rejects the promises of the readers. */
async function readGroup<Query, Result>(
  group: readonly CoalescedRead<Query, Result>[],
  read: (queries: readonly Query[]) => Promise<readonly Result[]>,
): Promise<void> {
  try {
    const results = await read(group.map(({ query }) => query));
    for (const [index, result] of results.entries()) group[index]?.resolve(result);
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

/**
 * Adds an item to a queue. If the client leaves, the item is removed from the queue and rejected.
 *
 * @returns a function that removes the listener for the client's leaving
 */
function enqueue<Item>(
  queue: FairQueue<Item>,
  { tenantId, answer }: Reader,
  item: Item,
  reject: (error: unknown) => void,
): () => void {
  const leave = () => {
    if (!queue.remove(tenantId, item)) return;
    // Ends the request of the client. A request that was answered already, as by a timeout, has ended.
    if (!answer.writableEnded) reject(overloadedError());
  };
  queue.add(tenantId, item);
  answer.once('close', leave);
  return () => answer.off('close', leave);
}
