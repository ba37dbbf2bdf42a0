import type { Kind } from '../domain/kinds/define-kind.ts';
import { liftForReader } from '../domain/kinds/record-versions.ts';
import { createRegistry, type KindRegistry } from '../domain/kinds/registry.ts';
import { canonicalJson } from '../domain/fingerprint.ts';
import { parseJsonBody } from '../protocol/json-body.ts';
import { entityKey, type EntityRef, type RecordState } from '../domain/record.ts';
import type { TenantPlan, TenantSnapshot } from '../domain/decide/tenant-plan.ts';
import { type EventResult, type PushAnswer, pushEnvelopeSchema } from '../protocol/push.ts';
import { printPushAnswer, toPushAnswer } from '../protocol/push-answer.ts';
import { type SyncRecord, toSyncRecord } from '../protocol/record.ts';
import { timestampSchema } from '../domain/timestamp.ts';
import { type Batch, createBatch } from '../domain/decide/batch.ts';
import { decideBatches } from '../domain/decide/decide-batch.ts';
import { decodeEvent } from '../domain/decide/decode-event.ts';

/** The sender of events, and the time. */
export interface RehearsalOptions {
  /** The time of receipt, RFC 3339. By default the first batch is received at the start of 2026, every other one a second later. */
  readonly at?: string;
  readonly deviceId?: string;
  readonly subject?: string;
  /** The scopes of the token, for kinds with a `scope`. */
  readonly scopes?: readonly string[];
}

/** A record that exists before the first batch, as it was written then. */
export interface RehearsalRecord extends EntityRef {
  readonly data: { readonly [name: string]: unknown };
  /** The version of the entity type's data; 1 by default. */
  readonly dataVersion?: number;
}

export interface RehearsalStart extends RehearsalOptions {
  /** The records before the first batch. Each was written a year earlier by an event of its own. None by default. */
  readonly records?: readonly RehearsalRecord[];
}

export interface RehearsalBatch extends RehearsalOptions {
  readonly events: readonly unknown[];
  readonly sentAt?: string;
  readonly atomic?: boolean;
  readonly conflicts?: 'keep' | 'answer';
}

export interface RehearsalAnswer extends Omit<PushAnswer, 'checkpoint' | 'results'> {
  readonly results: readonly EventResult[];
}

export interface Rehearsal {
  /** One per batch, like the answer to a push with `include=results`. */
  readonly answers: readonly RehearsalAnswer[];
  /** All records as pulls contain them, in version order, including tombstones. */
  readonly records: readonly SyncRecord[];
  /** What the code of the kinds threw. */
  readonly faults: readonly unknown[];
}

/** The operator sets how large and how old events may be. A kind has to keep its records within the maximum length. */
const limits = {
  maxEventBytes: Number.POSITIVE_INFINITY,
  maxEventAgeMs: null,
  maxRecordLength: 131_072,
};
const checkpoints = { encode: () => '', decode: () => undefined };
const secondMicros = 1_000_000;
const yearMicros = 365 * 86_400 * secondMicros;

/**
 * Decides batches, one after the other, for a tenant that is empty at first or has the given records. It runs the code
 * of the service, without a database and HTTP. Pure.
 *
 * @throws Error if the kinds cannot be combined, or a batch would be refused as a whole
 */
export function rehearse(
  kinds: readonly Kind[],
  batches: readonly RehearsalBatch[],
  { at: start = '2026-01-01T00:00:00Z', records = [], ...sender }: RehearsalStart = {},
): Rehearsal {
  const registry = createRegistry(kinds);
  const decisionLimits = { ...limits, lifter: registry.records };
  let tenant = tenantAt(start, records);
  const decisions = batches.flatMap(({ at, ...batch }) => {
    const receivedAt = at === undefined ? tenant.receivedAt : readTime(at);
    const sent = readBatch({ ...sender, ...batch }, registry);
    const plan = decideBatches({ ...tenant, receivedAt }, [sent], decisionLimits);
    tenant = tenantAfter(tenant, plan, receivedAt);
    return plan.decisions;
  });
  const answers = decisions.map((decision) => {
    const options = { includeResults: true, mayRead: true };
    const answer = toPushAnswer(decision, tenant.tenantId, checkpoints, options);
    return readAnswer(printPushAnswer(answer, Number.POSITIVE_INFINITY).toString());
  });
  const outcomes = decisions.flatMap((decision) => decision.outcomes);
  const faults = outcomes.map(({ fault }) => fault).filter((fault) => fault !== undefined);
  const show = liftForReader(registry.records, (fault) => faults.push(fault));
  return { answers, records: tenant.records.map(show).map(toSyncRecord), faults };
}

function readAnswer(text: string): RehearsalAnswer {
  const { checkpoint: _empty, results = [], ...rest }: PushAnswer = JSON.parse(text);
  return { ...rest, results };
}

function tenantAt(start: string, records: readonly RehearsalRecord[]): TenantSnapshot {
  const receivedAt = readTime(start);
  return {
    tenantId: 'rehearsal',
    epoch: '',
    receivedAt,
    head: records.length,
    headReference: undefined,
    known: [],
    records: records.map((record, index) => toState(record, index + 1, receivedAt - yearMicros)),
  };
}

/** The record as the event that made this version wrote it. */
function toState(
  { entityType, entityId, data, dataVersion = 1 }: RehearsalRecord,
  version: number,
  writtenAt: number,
): RecordState {
  const originKey = `rehearsal-${version}`;
  return {
    ...{
      entityType,
      entityId,
      version,
      deleted: false,
      dataVersion,
      sequence: null,
      lastEvent: version,
    },
    data: canonicalJson(data),
    clock: { put: [writtenAt, originKey] },
    ...{ originKey, originKind: 'rehearsal', originDevice: null, originAt: writtenAt },
    ...{ createdAt: writtenAt, updatedAt: writtenAt },
  };
}

function readTime(text: string): number {
  return timestampSchema.parse(text);
}

/** The batch is printed and parsed as over HTTP: a Date becomes a text, and members that are undefined are dropped. */
function readBatch(batch: RehearsalBatch, registry: KindRegistry): Batch {
  const { events, sentAt, atomic, conflicts } = batch;
  const { deviceId = null, subject = null, scopes = [] } = batch;
  const body = parseJsonBody(Buffer.from(JSON.stringify({ events, sentAt, atomic, conflicts })));
  const envelope = pushEnvelopeSchema.parse(body.value);
  const sender = { tenantId: 'rehearsal', subject, scopes };
  return createBatch({
    tenantId: 'rehearsal',
    deviceId,
    subject,
    sentAt: sentAt === undefined ? null : readTime(sentAt),
    atomic: envelope.atomic,
    keepsConflicts: envelope.conflicts === 'keep',
    bringsRecords: false,
    events: envelope.events.map((raw) => decodeEvent(raw, registry, { ...limits, sender })),
  });
}

function tenantAfter(
  tenant: TenantSnapshot,
  { head, events, records }: TenantPlan<unknown>,
  receivedAt: number,
): TenantSnapshot {
  const byKey = new Map([...tenant.records, ...records].map((one) => [entityKey(one), one]));
  return {
    ...tenant,
    head,
    headReference: events.at(-1) ?? tenant.headReference,
    receivedAt: receivedAt + secondMicros,
    // Only checkpoints need the event before, and rehearsals have no checkpoints.
    known: [...tenant.known, ...events.map((event) => ({ ...event, previous: undefined }))],
    records: [...byKey.values()].sort((one, other) => one.version - other.version),
  };
}
