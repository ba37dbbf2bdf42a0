import { type EventFailure, kindFailedFailure } from '../errors.ts';
import { assertFields } from '../kinds/check-output.ts';
import type { EventContext } from '../kinds/intent.ts';
import { rulesOf } from '../kinds/policies/intent-rules.ts';
import type { PlanContext } from '../kinds/policies/policy.ts';
import type { DecisionContext, TimedWrites } from './apply-writes.ts';
import type { DecodedEvent } from './decode-event.ts';
import { afterNewestWrite } from './event-time.ts';
import { type DraftRecord, toRecordView } from './tenant-draft.ts';

/** What an event will write, and the time at which these writes compete with others. */
export type TimedPlan = ({ readonly ok: true } & TimedWrites) | FailedPlan;

interface FailedPlan {
  readonly ok: false;
  readonly failure: EventFailure;
  /** What the code of the kind threw. */
  readonly fault?: unknown;
}

/** Step 6 of the protocol: the policy of the kind plans the writes of an event. */
export function planWrites(context: DecisionContext, record: DraftRecord | undefined): TimedPlan {
  const { draft, event, time } = context;
  const rules = rulesOf(event.intent);
  try {
    const plan = rules.plan(event.intent, toPlanContext(context, record));
    if (!plan.ok) return plan;
    const at = rules.competesBy === 'occurrence' ? time.effectiveAt : draft.receivedAt;
    return { ok: true, writes: plan.writes, at };
  } catch (fault) {
    return kindFailed(event, fault);
  }
}

/** The writes of the kind's resolve hook; undefined if there is no hook, or it leaves the conflict to a person. */
export function planMergeByHook(
  context: DecisionContext,
  record: DraftRecord | undefined,
): TimedPlan | undefined {
  const { draft, event, time } = context;
  const current = toRecordView(record);
  if (!event.resolve || !current) return undefined;
  try {
    const merged = event.resolve(current, toEventContext(context));
    if (merged === undefined) return undefined;
    const { entityType, entityId } = event;
    const write = { policy: 'put', fields: assertFields(merged) } as const;
    const at = afterNewestWrite(record, time, draft.receivedAt).effectiveAt;
    return { ok: true, writes: [{ entityType, entityId, write }], at };
  } catch (fault) {
    return kindFailed(event, fault);
  }
}

/** A kind is code of its author: if it throws, this event fails, and not its batch. */
function kindFailed({ definition }: DecodedEvent, fault: unknown): FailedPlan {
  return { ok: false, failure: kindFailedFailure(definition.name), fault };
}

function toPlanContext(context: DecisionContext, record: DraftRecord | undefined): PlanContext {
  const { draft, event, time } = context;
  const { entityType, entityId, definition } = event;
  return {
    own: { entityType, entityId },
    record,
    ordered: definition.ordered,
    failures: definition.failures,
    effectiveAt: time.effectiveAt,
    eventContext: () => toEventContext(context),
    find: (entity) => toRecordView(draft.findRecord(entity)),
  };
}

function toEventContext({ draft, batch, event, time }: DecisionContext): EventContext {
  return {
    tenantId: batch.tenantId,
    identityKey: event.identityKey,
    deviceId: batch.deviceId,
    subject: batch.subject,
    effectiveAtMs: Math.floor(time.effectiveAt / 1000),
    receivedAtMs: Math.floor(draft.receivedAt / 1000),
  };
}
