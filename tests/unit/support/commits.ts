import { setImmediate } from 'node:timers/promises';
import { type Batch, createBatch } from '../../../src/domain/decide/batch.ts';
import {
  type CommittedBatch,
  createCommitQueue,
  type CommitQueueOptions,
} from '../../../src/ingest/commit-queue.ts';

/** A transaction under way, which the test ends by hand. */
export interface Group {
  /** The names of its batches. */
  readonly names: readonly string[];
  readonly batches: readonly Batch[];
  commit(): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** Its name is its decision too. The tenant is the name's first letter. */
export function batchOf(name: string, events = 1, bytes = 0): Batch {
  const failure = { code: 'INVALID_EVENT', message: 'what it holds does not matter' } as const;
  const batch = createBatch({
    tenantId: name.slice(0, 1),
    deviceId: name,
    subject: null,
    sentAt: null,
    atomic: false,
    keepsConflicts: true,
    bringsRecords: false,
    events: Array.from({ length: events }, () => ({
      ok: false as const,
      undecoded: { identityKey: null, failure },
    })),
  });
  return { ...batch, bytes };
}

const nameOf = (batch: Batch) => batch.deviceId ?? '';

/** A transaction begins at the end of a turn of the event loop, at the earliest. */
export async function endTurns(count = 2): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate();
}

export type Settled = PromiseSettledResult<CommittedBatch<string>>;

/** Group commit over transactions that end when the test says so. */
export function driveCommits(options: Partial<CommitQueueOptions<string>> = {}) {
  const open: Group[] = [];
  const started: (readonly string[])[] = [];
  const isolated: { batches: number; error: unknown }[] = [];
  const results = new Map<string, Settled>();

  const groupCommit = createCommitQueue<string>({
    lanes: 1,
    maxGroupEvents: 500,
    maxGroupBytes: 1_000_000,
    expectedBytesOf: ({ bytes }) => bytes,
    maxGroupTenants: Infinity,
    maxTenantBatches: 100,
    maxQueuedEvents: 20_000,
    maxQueuedBytes: 10_000_000,
    maxWaitMs: 60_000,
    onGroupDissolved: (batches, error) => isolated.push({ batches, error }),
    commit(batches) {
      const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
      const names = batches.map(nameOf);
      const end = (how: () => void) => {
        open.splice(open.indexOf(group), 1);
        how();
        return endTurns();
      };
      const group: Group = {
        names,
        batches,
        commit: () => end(() => resolve(names)),
        fail: (error) => end(() => reject(error)),
      };
      started.push(names);
      open.push(group);
      return promise;
    },
    ...options,
  });

  function handIn(name: string, events = 1, bytes = 0): void {
    const answer = groupCommit.submit(batchOf(name, events, bytes));
    void Promise.allSettled([answer]).then(([result]) => results.set(name, result));
  }

  return {
    /** Under way, in order of start. */
    open,
    /** The names of every group so far, those of groups run again included. */
    started,
    isolated,
    /** What became of each batch that has been answered. */
    results,
    isFull: () => groupCommit.isFull(),
    /** Hands a batch in; its answer will be in `results`. */
    async submit(name: string, events = 1, bytes = 0): Promise<void> {
      handIn(name, events, bytes);
      await endTurns();
    },
    /** The same, in the turn that is under way. */
    handIn,
    /** Ends the oldest transaction. */
    next(): Group {
      const [group] = open;
      if (!group) throw new Error('no transaction is under way');
      return group;
    },
  };
}

export type Commits = ReturnType<typeof driveCommits>;

/** The decision of a batch, its error's code, or undefined while it waits. */
export function answerOf({ results }: Commits, name: string): unknown {
  const result = results.get(name);
  if (result?.status === 'fulfilled') return result.value.decision;
  return result && (result.reason.code ?? result.reason);
}
