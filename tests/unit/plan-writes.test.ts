import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind, type KindDefinition } from '../../src/domain/kinds/define-kind.ts';
import type { EventContext, RecordView } from '../../src/domain/kinds/intent.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { append } from '../../src/domain/kinds/policies/append.ts';
import {
  accept,
  decide,
  patchRecord,
  putRecord,
  reject,
} from '../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import type { Policy } from '../../src/domain/kinds/policies/policy.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { remove } from '../../src/domain/kinds/policies/remove.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import type { DecisionContext } from '../../src/domain/decide/apply-writes.ts';
import { createBatch } from '../../src/domain/decide/batch.ts';
import { decodeEvent } from '../../src/domain/decide/decode-event.ts';
import {
  TenantDraft,
  type DraftRecord,
  toRecordState,
} from '../../src/domain/decide/tenant-draft.ts';
import { planMergeByHook, planWrites } from '../../src/domain/decide/plan-writes.ts';
import { RecordData } from '../../src/domain/record-data.ts';

const jobSchema = z.strictObject({ id: z.string(), name: z.string() });
type Job = z.infer<typeof jobSchema>;

const receivedAt = 9_000_500;
const effectiveAt = 7_000_250;
const own = { entityType: 'job', entityId: 'j1' };
const other = { entityType: 'crew', entityId: 'c1' };

function recordOf(ref: { entityType: string; entityId: string }, rest: Partial<DraftRecord> = {}) {
  return {
    ...ref,
    version: 4,
    deleted: false,
    data: RecordData.ofText('{"name":"old"}'),
    dataVersion: 1,
    originKey: 'k0',
    originKind: 'job.do',
    originDevice: null,
    originAt: 1,
    createdAt: 1,
    updatedAt: 3_000_999,
    clock: { put: [1, 'k0'] as const },
    sequence: null,
    lastEvent: 4,
    ...rest,
  } satisfies DraftRecord;
}

/** An event of a kind with this policy, on a tenant with these records. */
function contextOf(
  policy: Policy<Job>,
  records: readonly DraftRecord[] = [],
  more: Partial<KindDefinition<Job>> = {},
): DecisionContext {
  const kind = defineKind({
    name: 'job.do',
    entityType: 'job',
    payload: payload(jobSchema),
    entityId: ({ id }) => id,
    policy,
    ...more,
  });
  const raw = { identityKey: 'k1', kind: 'job.do', payload: { id: 'j1', name: 'new' } };
  const registry = createRegistry([kind]);
  const rules = { maxEventBytes: 1000, sender: { tenantId: 't', subject: null, scopes: [] } };
  const result = decodeEvent(raw, registry, rules);
  if (!result.ok) throw new Error(result.undecoded.failure.message);
  const sender = { tenantId: 't1', deviceId: 'd1', subject: 'Ada', sentAt: null };
  const asked = { atomic: false, keepsConflicts: true, bringsRecords: false };
  const tenant = { tenantId: 't1', head: 4, epoch: 'e', headReference: undefined, known: [] };
  return {
    draft: TenantDraft.of(
      { ...tenant, receivedAt, records: records.map(toRecordState) },
      registry.records,
    ),
    batch: createBatch({ ...sender, ...asked, events: [result] }),
    event: result.event,
    time: { effectiveAt, clockAdjusted: false },
    maxRecordLength: 1000,
  };
}

const fieldsOf = ({ name }: Job) => ({ name });
const reads = () => [other];

test.each<[string, Policy<Job>, number]>([
  ['a put', put(fieldsOf), effectiveAt],
  ['a patch', patch(fieldsOf), effectiveAt],
  ['a remove', remove(), effectiveAt],
  ['a fact', append((_before, { name }) => ({ name })), receivedAt],
  [
    'a decision',
    decide({ reads, decide: ({ name }) => accept(putRecord(own, { name })) }),
    receivedAt,
  ],
])('the writes of %s compete at the time that counts for its policy', (_what, policy, at) => {
  const record = recordOf(own);
  expect(planWrites(contextOf(policy, [record]), record)).toMatchObject({
    ok: true,
    at,
    writes: [own],
  });
});

test.each<[string, DraftRecord | undefined]>([
  ['never created', undefined],
  ['only deleted', recordOf(own, { deleted: true, data: null, clock: { remove: [1, 'k0'] } })],
])('a patch of a record that was %s waits for its create', (_what, record) => {
  const plan = planWrites(contextOf(patch(fieldsOf)), record);
  expect(plan).toMatchObject({ ok: false, failure: { code: 'NOT_FOUND' } });
});

test('a fact is folded into no data if its record is deleted', () => {
  const seen: unknown[] = [];
  const policy = append<Job>((before) => (seen.push(before), {}));
  for (const record of [recordOf(own, { deleted: true }), recordOf(own)]) {
    planWrites(contextOf(policy, [record]), record);
  }
  expect(seen).toEqual([undefined, { name: 'old' }]);
});

test('a decision finds its own record and the records that it names, but no deleted record', () => {
  const seen: (RecordView | undefined)[] = [];
  const policy = decide<Job>({
    reads: () => [other, { entityType: 'crew', entityId: 'gone' }],
    decide(_job, records) {
      seen.push(
        records.find('job', 'j1'),
        records.find('crew', 'c1'),
        records.find('crew', 'gone'),
      );
      return accept();
    },
  });
  const gone = recordOf({ entityType: 'crew', entityId: 'gone' }, { deleted: true });
  planWrites(contextOf(policy, [recordOf(own), recordOf(other), gone]), recordOf(own));
  const view = { version: 4, data: { name: 'old' }, updatedAtMs: 3000 };
  expect(seen).toEqual([{ ...own, ...view }, { ...other, ...view }, undefined]);
});

test('the functions of a kind get the times of the event in whole milliseconds', () => {
  const seen: EventContext[] = [];
  const policy = append<Job>((_before, _job, context) => (seen.push(context), {}));
  planWrites(contextOf(policy), undefined);
  const sender = { tenantId: 't1', identityKey: 'k1', deviceId: 'd1', subject: 'Ada' };
  expect(seen).toEqual([{ ...sender, effectiveAtMs: 7000, receivedAtMs: 9000 }]);
});

const failures = {
  TOO_LATE: { retryable: false, cause: 'It is over.', remedy: 'Drop it.' },
  TOO_EARLY: { retryable: true, retryAfterMs: 500, cause: 'Not yet.', remedy: 'Wait.' },
};
const refusing = (code: string, options?: object) =>
  decide<Job>({ reads, decide: () => reject(code, 'no', options) });

test.each<[string, object | undefined, object]>([
  ['TOO_LATE', undefined, { code: 'TOO_LATE', message: 'no', retryable: false }],
  [
    'TOO_EARLY',
    undefined,
    { code: 'TOO_EARLY', message: 'no', retryable: true, retryAfterMs: 500 },
  ],
  [
    'TOO_EARLY',
    { retryAfterMs: 0, path: 'payload.name' },
    { code: 'TOO_EARLY', message: 'no', retryable: true, retryAfterMs: 0, path: 'payload.name' },
  ],
  ['NOT_OWNER', undefined, { code: 'NOT_OWNER', message: 'no', retryable: false }],
  [
    'NOT_FOUND',
    undefined,
    { code: 'NOT_FOUND', message: 'no', retryable: true, retryAfterMs: 30_000 },
  ],
])('a rejection has the properties of its code in the table: %s %j', (code, options, failure) => {
  const plan = planWrites(contextOf(refusing(code, options), [], { failures }), undefined);
  expect(plan).toEqual({ ok: false, failure });
});

test('the table decides whether a code can be retried, not a single rejection', () => {
  const policy = refusing('TOO_LATE', { retryable: true, secret: 'x' });
  const plan = planWrites(contextOf(policy, [], { failures }), undefined);
  const failure = { code: 'TOO_LATE', message: 'no', retryable: false };
  expect(plan).toEqual({ ok: false, failure });
});

test('an invalid decision fails the event, and the operator gets the reason', () => {
  const policy = decide<Job>({ reads, decide: () => accept(patchRecord(other, { a: 1 })) });
  const plan = planWrites(contextOf(policy), undefined);
  expect(plan).toMatchObject({
    ok: false,
    failure: { code: 'KIND_FAILED', message: 'job.do failed on this event' },
    fault: new Error('crew "c1" cannot be patched, because it does not exist'),
  });
});

test.each<[string, DraftRecord | undefined]>([
  ['no record', undefined],
  ['a deleted record', recordOf(own, { deleted: true })],
])('an edit is not merged with %s', (_what, record) => {
  const resolve = () => ({ merged: true });
  expect(planMergeByHook(contextOf(put(fieldsOf), [], { resolve }), record)).toBeUndefined();
});

test('an edit is not merged without a hook, or if the hook leaves the conflict to a person', () => {
  const record = recordOf(own);
  expect(planMergeByHook(contextOf(put(fieldsOf)), record)).toBeUndefined();
  const resolve = () => undefined;
  expect(planMergeByHook(contextOf(put(fieldsOf), [], { resolve }), record)).toBeUndefined();
});

test('the data that a hook returns is a put after all writes in the record', () => {
  const resolve = ({ data }: RecordView, incoming: object) => ({ ...incoming, before: data });
  const context = contextOf(patch(fieldsOf), [], { resolve });
  const plan = planMergeByHook(context, recordOf(own));
  const fields = { name: 'new', before: { name: 'old' } };
  expect(plan).toEqual({
    ok: true,
    at: context.time.effectiveAt,
    writes: [{ ...own, write: { policy: 'put', fields } }],
  });
});

test('a hook that throws fails, and does not leave the conflict to a person', () => {
  const fault = new Error('cannot merge');
  const resolve = () => {
    throw fault;
  };
  const plan = planMergeByHook(contextOf(put(fieldsOf), [], { resolve }), recordOf(own));
  expect(plan).toMatchObject({ ok: false, failure: { code: 'KIND_FAILED' }, fault });
});
