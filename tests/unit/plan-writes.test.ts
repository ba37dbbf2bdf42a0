import { expect, test } from 'vitest';
import { z } from 'zod';
import { accept, patchRecord, putRecord, reject } from '../../src/domain/kinds/decisions.ts';
import { defineKind, type KindDefinition } from '../../src/domain/kinds/define-kind.ts';
import type { EventContext, RecordView } from '../../src/domain/kinds/intent.ts';
import { payload } from '../../src/domain/kinds/payload-versions.ts';
import {
  append,
  decide,
  patch,
  type Policy,
  put,
  remove,
} from '../../src/domain/kinds/policies.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import type { DecisionContext } from '../../src/domain/decide/apply-writes.ts';
import { createBatch } from '../../src/domain/decide/batch.ts';
import { decodeEvent } from '../../src/domain/decide/decode-event.ts';
import {
  TenantDraft,
  type DraftRecord,
  toRecordState,
} from '../../src/domain/decide/tenant-draft.ts';
import { planMerge, planWrites } from '../../src/domain/decide/plan-writes.ts';
import { RecordData } from '../../src/domain/decide/record-data.ts';

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
    ...rest,
  } satisfies DraftRecord;
}

/** An event of a kind with this policy, on a tenant with these records. */
function occurrenceOf(
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
])('the writes of %s compete at the time that counts for it', (_what, policy, at) => {
  const record = recordOf(own);
  expect(planWrites(occurrenceOf(policy, [record]), record)).toMatchObject({
    ok: true,
    at,
    writes: [own],
  });
});

test.each<[string, DraftRecord | undefined]>([
  ['never there', undefined],
  ['only ever deleted', recordOf(own, { deleted: true, data: null, clock: { remove: [1, 'k0'] } })],
])('a patch of what was %s waits for its create', (_what, record) => {
  const plan = planWrites(occurrenceOf(patch(fieldsOf)), record);
  expect(plan).toMatchObject({ ok: false, failure: { code: 'NOT_FOUND' } });
});

test('a fact is folded into nothing where its record is deleted', () => {
  const seen: unknown[] = [];
  const policy = append<Job>((before) => (seen.push(before), {}));
  planWrites(occurrenceOf(policy), recordOf(own, { deleted: true }));
  planWrites(occurrenceOf(policy), recordOf(own));
  expect(seen).toEqual([undefined, { name: 'old' }]);
});

test('a decision finds the records that it names and its own, but no deleted one', () => {
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
  planWrites(occurrenceOf(policy, [recordOf(own), recordOf(other), gone]), recordOf(own));
  const view = { version: 4, data: { name: 'old' }, updatedAtMs: 3000 };
  expect(seen).toEqual([{ ...own, ...view }, { ...other, ...view }, undefined]);
});

test('the kind is told of the event in whole milliseconds', () => {
  const seen: EventContext[] = [];
  const policy = append<Job>((_before, _job, context) => (seen.push(context), {}));
  planWrites(occurrenceOf(policy), undefined);
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
])('a rejection is what the table says of its code: %s %j', (code, options, failure) => {
  const plan = planWrites(occurrenceOf(refusing(code, options), [], { failures }), undefined);
  expect(plan).toEqual({ ok: false, failure });
});

test('whether a code can be retried is the same for every event, whatever the kind says', () => {
  const policy = refusing('TOO_LATE', { retryable: true, secret: 'x' });
  const plan = planWrites(occurrenceOf(policy, [], { failures }), undefined);
  const failure = { code: 'TOO_LATE', message: 'no', retryable: false };
  expect(plan).toEqual({ ok: false, failure });
});

test('what a decision does wrong is a failure of the event, with what is wrong for the operator', () => {
  const policy = decide<Job>({ reads, decide: () => accept(patchRecord(other, { a: 1 })) });
  const plan = planWrites(occurrenceOf(policy), undefined);
  expect(plan).toMatchObject({
    ok: false,
    failure: { code: 'KIND_FAILED', message: 'job.do failed on this event' },
    fault: new Error('crew "c1" is patched, but is not there'),
  });
});

test.each<[string, DraftRecord | undefined]>([
  ['no record', undefined],
  ['a deleted record', recordOf(own, { deleted: true })],
])('there is nothing to merge with where there is %s', (_what, record) => {
  const resolve = () => ({ merged: true });
  expect(planMerge(occurrenceOf(put(fieldsOf), [], { resolve }), record)).toBeUndefined();
});

test('there is nothing to merge without a hook, or where the hook leaves it to a person', () => {
  const record = recordOf(own);
  expect(planMerge(occurrenceOf(put(fieldsOf)), record)).toBeUndefined();
  const resolve = () => undefined;
  expect(planMerge(occurrenceOf(put(fieldsOf), [], { resolve }), record)).toBeUndefined();
});

test('what the hook merges is put on top of all that the record holds', () => {
  const resolve = ({ data }: RecordView, incoming: object) => ({ ...incoming, before: data });
  const occurrence = occurrenceOf(patch(fieldsOf), [], { resolve });
  const plan = planMerge(occurrence, recordOf(own));
  const fields = { name: 'new', before: { name: 'old' } };
  expect(plan).toEqual({
    ok: true,
    at: occurrence.time.effectiveAt,
    writes: [{ ...own, write: { policy: 'put', fields } }],
  });
});

test('a hook that throws is told apart from one that leaves it to a person', () => {
  const fault = new Error('cannot merge');
  const resolve = () => {
    throw fault;
  };
  const plan = planMerge(occurrenceOf(put(fieldsOf), [], { resolve }), recordOf(own));
  expect(plan).toMatchObject({ ok: false, failure: { code: 'KIND_FAILED' }, fault });
});
