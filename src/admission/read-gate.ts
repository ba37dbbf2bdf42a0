import type { Writable } from 'node:stream';
import { overloaded, tenantBusy } from './refusals.ts';
import { Turns } from './turns.ts';

export interface ReadGateOptions {
  /** Reads under way at once; each has at most one connection. */
  readonly lanes: number;
  /** Reads of one tenant that may wait; one more is refused. */
  readonly maxTenantReads: number;
  /** Reads of all tenants that may wait; one more is refused. */
  readonly maxQueuedReads: number;
}

/** Who reads. */
export interface Reader {
  readonly tenantId: string;
  /** Where the answer goes; once it is closed, nobody waits for the read any more. */
  readonly answer: Pick<Writable, 'writableEnded' | 'once' | 'off'>;
}

export interface ReadGate {
  /**
   * Waits for a lane and reads.
   *
   * @throws RequestProblem TENANT_BUSY or OVERLOADED with nothing read; whatever `read` throws
   */
  run<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /** The same, whatever waits: for the last read of a request that has already changed something. */
  finish<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result>;
  /** Whether the next read would be refused, whoever asks. */
  isFull(): boolean;
}

type Start = () => void;

/**
 * Bounds the reads before they ask for a connection, as group commit does with pushes: the pool's own
 * queue knows no tenants, and no end. Tenants take turns.
 */
export function createReadGate(options: ReadGateOptions): ReadGate {
  const waiting = new Turns<Start>();
  let busyLanes = 0;
  const isFull = () => waiting.size >= options.maxQueuedReads;

  function admit(tenantId: string): void {
    if (busyLanes < options.lanes) return;
    if (waiting.sizeOf(tenantId) >= options.maxTenantReads) throw tenantBusy();
    if (isFull()) throw overloaded();
  }

  function takeLane({ tenantId, answer }: Reader): Promise<void> {
    if (busyLanes < options.lanes) {
      busyLanes += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const start = () => {
        answer.off('close', leave);
        resolve();
      };
      const leave = () => {
        waiting.remove(tenantId, start);
        // Ends a request whose client has left. One that was answered meanwhile, as by a timeout, has ended.
        if (!answer.writableEnded) reject(overloaded());
      };
      waiting.add(tenantId, start);
      answer.once('close', leave);
    });
  }

  /** To whoever is next, so that none who comes in between is faster. */
  function leaveLane(): void {
    const start = waiting.next();
    if (start) start();
    else busyLanes -= 1;
  }

  async function finish<Result>(reader: Reader, read: () => Promise<Result>): Promise<Result> {
    await takeLane(reader);
    try {
      return await read();
    } finally {
      leaveLane();
    }
  }

  return {
    async run(reader, read) {
      admit(reader.tenantId);
      return finish(reader, read);
    },
    finish,
    isFull,
  };
}
