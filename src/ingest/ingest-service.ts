import type { Batch, BatchDecision } from '../domain/decide/batch.ts';
import { decideBatchesInSteps } from '../domain/decide/decide-batch.ts';
import type { TenantPlan, TenantSnapshot } from '../domain/decide/tenant-plan.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import { type CommitQueueOptions, type CommittedBatch, createCommitQueue } from './commit-queue.ts';
import { startWorkBudget, type WorkBudget } from '../scheduling/work-budget.ts';
import { createExpectedBatchBytes } from './commit-groups.ts';
import type { IngestStore } from './ingest-store.ts';
import { KindFailureBackoff } from './kind-failure-backoff.ts';

export interface IngestServiceOptions {
  readonly store: IngestStore;
  readonly kinds: Pick<KindRegistry, 'records'>;
  readonly limits: {
    /** Maximum age of an event in milliseconds; null: events of any age are accepted. */
    readonly maxEventAgeMs: number | null;
    /** Maximum length of the JSON of a record's data, in characters. */
    readonly maxRecordLength: number;
  };
  readonly queue: Omit<
    CommitQueueOptions<BatchDecision>,
    'commit' | 'expectedBytesOf' | 'maxWaitMs' | 'onGroupDissolved'
  >;
  /** Called when a group has failed and its batches are committed one by one. */
  readonly onGroupDissolved: (batchCount: number, error: unknown) => void;
}

/** Called after a commit, with the batches of the transaction and one decision per batch, in the same order. */
export type CommitListener = (
  batches: readonly Batch[],
  decisions: readonly BatchDecision[],
) => void;

/** Takes batches of events, decides them, stores them and tells who listens. */
export interface IngestService {
  /**
   * Decides and stores a batch, together with other batches that wait.
   *
   * @returns the decision, after its transaction was committed
   * @throws RequestProblem TENANT_BUSY, OVERLOADED, UNAVAILABLE, COMMIT_UNKNOWN or BATCH_TOO_LARGE
   */
  submit(batch: Batch): Promise<CommittedBatch<BatchDecision>>;
  /** Whether the next batch of the tenant would be refused because too many of its batches wait. */
  isBusy(tenantId: string): boolean;
  /** Whether the next batch would be refused because too much waits in all. */
  isFull(): boolean;
  /** Adds a listener. It must not throw and must not block: the clients wait for their answers. */
  onCommitted(listener: CommitListener): void;
}

/** A request may take 20 s in all. The rest is enough for a transaction and its retries. */
const maxWaitMs = 8_000;
/** The maximum of work for several batches, in milliseconds. Beyond it they are committed one by one. */
const maxGroupMs = 500;
/** The maximum of work for one batch, in milliseconds. A larger batch has to be split. */
const maxBatchMs = 2_000;
/** The maximum from the load to the write, in milliseconds. PostgreSQL ends transactions that are idle longer. */
const maxIdleMs = 4_000;

export function createIngestService(options: IngestServiceOptions): IngestService {
  const { store, kinds, limits, queue: queueOptions } = options;
  const decisionLimits = { ...limits, lifter: kinds.records };
  const expectedBytes = createExpectedBatchBytes();
  const failureBackoff = new KindFailureBackoff(() => performance.now());
  const listeners: CommitListener[] = [];

  /** Loads what the batches need, decides them tenant by tenant, writes the plans, and tells the listeners. */
  async function commit(batches: readonly Batch[]): Promise<readonly BatchDecision[]> {
    const isAlone = batches.length === 1;
    // A retry of several batches would make tenants wait for each other: they are committed one by one instead.
    const decisions = await store.runTransaction(isAlone, async (transaction) => {
      // The tenants are locked, so nothing changes between the load and the write.
      const snapshots = await transaction.load(batches.map(({ needs }) => needs));
      const maxWorkMs = isAlone ? maxBatchMs : maxGroupMs;
      const budget = startWorkBudget({ maxWorkMs, maxMs: maxIdleMs });
      const planned = await planTenants(batches, snapshots, budget);
      const writes = planned.map(({ tenantId, plan }) => ({ tenantId, ...plan }));
      await transaction.writeAndCommit(writes, budget);
      return decisionsInOrder(batches, planned);
    });
    for (const listener of listeners) listener(batches, decisions);
    return decisions;
  }

  async function planTenants(
    batches: readonly Batch[],
    snapshots: ReadonlyMap<string, TenantSnapshot>,
    budget: WorkBudget,
  ): Promise<readonly PlannedTenant[]> {
    const planned: PlannedTenant[] = [];
    for (const [tenantId, tenantBatches] of Map.groupBy(batches, (batch) => batch.tenantId)) {
      const snapshot = mustGet(snapshots, tenantId);
      expectedBytes.learn(snapshot);
      const steps = decideBatchesInSteps(snapshot, tenantBatches, decisionLimits);
      planned.push({ tenantId, batches: tenantBatches, plan: await runSteps(steps, budget) });
    }
    return planned;
  }

  const queue = createCommitQueue<BatchDecision>({
    ...queueOptions,
    commit,
    expectedBytesOf: (batch) => expectedBytes.of(batch),
    maxWaitMs,
    onGroupDissolved: options.onGroupDissolved,
  });

  return {
    async submit(batch) {
      const committed = await queue.submit(batch);
      const { decision } = committed;
      const outcomes = failureBackoff.addRetryDelays(batch.events, decision.outcomes);
      return { ...committed, decision: { ...decision, outcomes } };
    },
    isBusy: (tenantId) => queue.isBusy(tenantId),
    isFull: () => queue.isFull(),
    onCommitted: (listener) => void listeners.push(listener),
  };
}

interface PlannedTenant {
  readonly tenantId: string;
  readonly batches: readonly Batch[];
  readonly plan: TenantPlan<BatchDecision>;
}

/** Other requests run between two steps when the budget says so. */
async function runSteps<Result>(
  steps: Generator<void, Result>,
  budget: WorkBudget,
): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (budget.shouldYield()) await budget.yieldToOthers();
    if (step.done) return step.value;
  }
}

function decisionsInOrder(
  batches: readonly Batch[],
  planned: readonly PlannedTenant[],
): readonly BatchDecision[] {
  const decisionByBatch = new Map(
    planned.flatMap((tenant) =>
      tenant.batches.map((batch, index) => [batch, tenant.plan.decisions[index]] as const),
    ),
  );
  return batches.map((batch) => mustGet(decisionByBatch, batch));
}

function mustGet<Key, Value>(map: ReadonlyMap<Key, Value | undefined>, key: Key): Value {
  const value = map.get(key);
  if (value === undefined) throw new Error('a tenant has no snapshot, or a batch has no decision');
  return value;
}
