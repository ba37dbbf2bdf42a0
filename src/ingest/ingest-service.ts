import { LruMap } from 'toad-cache';
import {
  type Batch,
  type BatchDecision,
  type EventOutcome,
  resentVersion,
} from '../domain/decide/batch.ts';
import { decideBatchesInSteps } from '../domain/decide/decide-batch.ts';
import type { TenantPlan, TenantSnapshot } from '../domain/decide/tenant-plan.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import { type CommitQueueOptions, type CommittedBatch, createCommitQueue } from './commit-queue.ts';
import { startWorkBudget, type WorkBudget } from '../scheduling/work-budget.ts';
import { createExpectedBatchBytes } from './commit-groups.ts';
import { type IngestStore, type IngestTransaction, KeyStoredError } from './ingest-store.ts';
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
/** The maximum of tenants that are remembered because they sent stored events again. */
const maxResendingTenants = 10_000;
/** For how long such a tenant is remembered after its last resend, in milliseconds. */
const resendingMs = 60_000;

export function createIngestService(options: IngestServiceOptions): IngestService {
  const { store, kinds, limits, queue: queueOptions } = options;
  const decisionLimits = { ...limits, lifter: kinds.records };
  const expectedBytes = createExpectedBatchBytes();
  const failureBackoff = new KindFailureBackoff(() => performance.now());
  const listeners: CommitListener[] = [];
  /** A tenant that sends again is likely to go on: its keys are then looked up with the first round trip. */
  const resending = new LruMap<true>(maxResendingTenants, resendingMs);

  async function commit(batches: readonly Batch[]): Promise<readonly BatchDecision[]> {
    const decisions = await commitOnce(
      batches,
      (tenantId) => resending.get(tenantId) === true,
    ).catch((error: unknown) => {
      if (!(error instanceof KeyStoredError)) throw error;
      // One of the events was sent before. With all keys looked up it is found, and answered as a duplicate.
      return commitOnce(batches, () => true);
    });
    for (const [index, decision] of decisions.entries()) {
      const batch = batches[index];
      if (batch && decision.outcomes.some(isOfResend)) resending.set(batch.tenantId, true);
    }
    for (const listener of listeners) listener(batches, decisions);
    return decisions;
  }

  /**
   * Loads what the batches need, decides them tenant by tenant, and writes the plans.
   *
   * @param looksUpKeys whether the keys of a tenant's events are looked up before they are decided
   * @throws KeyStoredError where an event is stored whose key was not looked up
   */
  function commitOnce(
    batches: readonly Batch[],
    looksUpKeys: (tenantId: string) => boolean,
  ): Promise<readonly BatchDecision[]> {
    const isAlone = batches.length === 1;
    const tenantIds = [...new Set(batches.map(({ tenantId }) => tenantId))];
    // A retry of several batches would make tenants wait for each other: they are committed one by one instead.
    return store.runTransaction({ tenantIds, mayRetry: isAlone }, async (transaction) => {
      // The tenants are locked, so nothing changes between the load and the write.
      const needs = batches.map((batch) => batch.needs);
      const snapshots = await transaction.load(needs, looksUpKeys);
      const maxWorkMs = isAlone ? maxBatchMs : maxGroupMs;
      const budget = startWorkBudget({ maxWorkMs, maxMs: maxIdleMs });
      const first = await planTenants(batches, snapshots, budget);
      const planned = await planAgainWithKeys(first, transaction, looksUpKeys, budget);
      const writes = planned.map(({ snapshot: { tenantId }, plan }) => ({ tenantId, ...plan }));
      await transaction.writeAndCommit(writes, budget);
      return decisionsInOrder(batches, planned);
    });
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
      planned.push(await planTenant(snapshot, tenantBatches, budget));
    }
    return planned;
  }

  async function planTenant(
    snapshot: TenantSnapshot,
    batches: readonly Batch[],
    budget: WorkBudget,
  ): Promise<PlannedTenant> {
    const steps = decideBatchesInSteps(snapshot, batches, decisionLimits);
    return { snapshot, batches, plan: await runSteps(steps, budget) };
  }

  /**
   * An event that is refused is not written, so the database does not find that it is stored already. The keys of
   * such tenants are looked up, and their batches decided again: what is stored is a duplicate.
   */
  async function planAgainWithKeys(
    planned: readonly PlannedTenant[],
    transaction: IngestTransaction,
    looksUpKeys: (tenantId: string) => boolean,
    budget: WorkBudget,
  ): Promise<readonly PlannedTenant[]> {
    const unsure = planned.filter(
      (tenant) => !looksUpKeys(tenant.snapshot.tenantId) && hasRefusal(tenant),
    );
    if (unsure.length === 0) return planned;
    const needs = unsure.flatMap(({ batches }) => batches.map((batch) => batch.needs));
    const knownByTenant = await transaction.loadKnown(needs);
    const result: PlannedTenant[] = [];
    for (const tenant of planned) {
      const { snapshot, batches } = tenant;
      const found = unsure.includes(tenant) ? (knownByTenant.get(snapshot.tenantId) ?? []) : [];
      if (found.length === 0) {
        result.push(tenant);
      } else {
        const known = [...snapshot.known, ...found];
        result.push(await planTenant({ ...snapshot, known }, batches, budget));
      }
    }
    return result;
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
  readonly snapshot: TenantSnapshot;
  readonly batches: readonly Batch[];
  readonly plan: TenantPlan<BatchDecision>;
}

/** Whether an event was refused after it had been read: its answer depends on what is stored under its key. */
function hasRefusal({ batches, plan }: PlannedTenant): boolean {
  return plan.decisions.some(({ outcomes }, at) =>
    outcomes.some(
      ({ status }, index) => status === 'failed' && batches[at]?.events[index]?.ok === true,
    ),
  );
}

function isOfResend(outcome: EventOutcome): boolean {
  return resentVersion(outcome) !== undefined;
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
