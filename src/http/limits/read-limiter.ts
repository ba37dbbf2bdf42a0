import type { Writable } from 'node:stream';
import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';
import { FairQueue } from '../../scheduling/fair-queue.ts';

export interface ReadLimiterOptions {
  /** Reads under way at once; each has at most one connection. */
  readonly lanes: number;
  /** Reads of one tenant that may wait; one more is refused. */
  readonly maxTenantReads: number;
  /** Reads of all tenants that may wait; one more is refused. */
  readonly maxQueuedReads: number;
  /** Tenants that one read may answer together. */
  readonly maxGroupTenants: number;
  /** Throws where as much is on its way to the tenant as may be: asked when its turn has come. */
  readonly admitAnswer: (tenantId: string) => void;
}

/** Who reads. */
export interface Reader {
  readonly tenantId: string;
  /** Where the answer goes; once it is closed, nobody waits for the read any more. */
  readonly answer: Pick<Writable, 'destroyed' | 'writableEnded' | 'once' | 'off'>;
}

export interface ReadLimiter {
  /**
   * Waits for a lane and reads.
   *
   * @throws RequestProblem TENANT_BUSY or OVERLOADED with nothing read; whatever `read` throws
   */
  run<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /** The same, whatever waits: for a further read of a request that was let in before. */
  runNextRead<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /** The same, whatever is on its way too: for what tells of something that was done. */
  runAdmitted<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /**
   * For what one read can ask for many. While one is under way, later readers wait, and when it ends
   * all that wait go together into the next, up to its bounds: it takes one lane, and nobody waits
   * where none is under way.
   *
   * @param read answers in the order asked; where it fails, it fails for all of them
   * @returns as `run`, for one of them
   */
  coalesce<Asked, Found>(
    read: (asked: readonly Asked[]) => Promise<readonly Found[]>,
  ): (reader: Reader, asked: Asked) => Promise<Found>;
  /** Whether the next read would be refused, whoever asks. */
  isFull(): boolean;
}

type Start = () => void;

/** One of many that a read answers together. */
interface CoalescedRead<Asked, Found> {
  readonly asked: Asked;
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
}

/** Readers that one read answers: a bound for its statement, and for how long its lane is taken. */
const maxTogether = 200;

/**
 * Bounds the reads before they ask for a connection, as group commit does with pushes: the pool's own
 * queue knows no tenants, and no end. Tenants take turns. A read that answers many goes before them, and
 * not twice in a row while somebody waits for the same lane.
 */
export function createReadLimiter(options: ReadLimiterOptions): ReadLimiter {
  const waiting = new FairQueue<Start>();
  /** All that waits, for a lane or for the next read together: both have the same bounds. */
  const queues: Pick<FairQueue<unknown>, 'size' | 'sizeOf'>[] = [waiting];
  const groups: Start[] = [];
  let busyLanes = 0;
  const sum = (sizeOf: (queue: (typeof queues)[number]) => number) =>
    queues.reduce((total, queue) => total + sizeOf(queue), 0);
  const isFull = () => sum(({ size }) => size) >= options.maxQueuedReads;

  function admit(tenantId: string): void {
    if (sum((queue) => queue.sizeOf(tenantId)) >= options.maxTenantReads) throw tenantBusyError();
    if (isFull()) throw overloadedError();
  }

  /** @param wait for the lane that is left next, where none is free */
  async function takeLane(wait: () => Promise<void>): Promise<void> {
    if (busyLanes >= options.lanes) return wait();
    busyLanes += 1;
  }

  function waitForTurn(reader: Reader): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stay = enter(waiting, reader, resolve, reject);
    return promise.finally(stay);
  }

  const waitForGroup = () => new Promise<void>((start) => groups.push(start));

  /** To whoever is next, so that none who comes in between is faster. */
  function leaveLane(): void {
    const start = groups.shift() ?? waiting.next();
    if (start) start();
    else busyLanes -= 1;
  }

  async function finish<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result> {
    // It left while something else was read for it: nobody would tell its place in the queue.
    if (reader.answer.destroyed) throw overloadedError();
    await takeLane(() => waitForTurn(reader));
    try {
      return await read();
    } finally {
      leaveLane();
    }
  }

  function goOn<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result> {
    return finish(reader, async () => {
      options.admitAnswer(reader.tenantId);
      return read();
    });
  }

  return {
    async run(reader, read) {
      if (busyLanes >= options.lanes) admit(reader.tenantId);
      return goOn(reader, read);
    },
    runNextRead: goOn,
    runAdmitted: finish,
    coalesce<Asked, Found>(read: (asked: readonly Asked[]) => Promise<readonly Found[]>) {
      const gathering = new FairQueue<CoalescedRead<Asked, Found>>();
      queues.push(gathering);
      let isUnderWay = false;

      async function readNext(): Promise<void> {
        isUnderWay = true;
        await takeLane(waitForGroup);
        let room = maxTogether;
        const group = gathering.takeRoundRobin(
          () => true,
          () => room-- > 0,
          options.maxGroupTenants,
        );
        if (group.length > 0) await readFor(group, read);
        leaveLane();
        isUnderWay = false;
        if (gathering.size > 0) void readNext();
      }

      return async (reader: Reader, asked: Asked) => {
        if (isUnderWay || busyLanes >= options.lanes) admit(reader.tenantId);
        const { promise, resolve, reject } = Promise.withResolvers<Found>();
        const stay = enter(gathering, reader, { asked, resolve, reject }, reject);
        if (!isUnderWay) void readNext();
        return promise.finally(stay);
      };
    },
    isFull,
  };
}

/** Never throws: whoever asked is told. */
async function readFor<Asked, Found>(
  group: readonly CoalescedRead<Asked, Found>[],
  read: (asked: readonly Asked[]) => Promise<readonly Found[]>,
): Promise<void> {
  try {
    const found = await read(group.map(({ asked }) => asked));
    for (const [index, one] of found.entries()) group[index]?.resolve(one);
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

/** @returns what ends the watch for a reader who leaves, and gives up its place by that */
function enter<Item>(
  queue: FairQueue<Item>,
  { tenantId, answer }: Reader,
  item: Item,
  reject: (error: unknown) => void,
): () => void {
  const leave = () => {
    if (!queue.remove(tenantId, item)) return;
    // Ends a request whose client has left. One that was answered meanwhile, as by a timeout, has ended.
    if (!answer.writableEnded) reject(overloadedError());
  };
  queue.add(tenantId, item);
  answer.once('close', leave);
  return () => answer.off('close', leave);
}
