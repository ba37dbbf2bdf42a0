import fc from 'fast-check';
import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import type { SentEvent } from '../events/sent-events.ts';
import type { PaymentFact, WordFact } from '../oracle/folded-facts.ts';

const paidSchema = z.strictObject({ id: z.string(), amount: z.int(), tag: z.string() });
const saidSchema = z.strictObject({ id: z.string(), word: z.string() });
const textsSchema = z.array(z.string());

/** The identityKeys on which the kinds throw once, as with a fault that is corrected later. */
export const keysThatFailOnce = new Set<string>();

function throwOnceFor(identityKey: string): void {
  if (keysThatFailOnce.delete(identityKey)) throw new Error('fails once');
}

/** A sum, a count, a maximum and a set: the same in any order of the facts. */
const tillPaid = defineKind({
  name: 'till.paid',
  entityType: 'till',
  payload: payload(paidSchema),
  entityId: ({ id }) => id,
  policy: append((before, { amount, tag }, { identityKey }) => {
    throwOnceFor(identityKey);
    const tags = new Set(textsSchema.parse(before?.tags ?? []));
    return {
      sum: Number(before?.sum ?? 0) + amount,
      count: Number(before?.count ?? 0) + 1,
      greatest: Math.max(Number(before?.greatest ?? amount), amount),
      tags: [...tags.add(tag)].toSorted(),
    };
  }),
});

/** A list, which depends on the order of the facts. */
const tapeSaid = defineKind({
  name: 'tape.said',
  entityType: 'tape',
  ordered: true,
  payload: payload(saidSchema),
  entityId: ({ id }) => id,
  policy: append((before, { word }, { identityKey }) => {
    throwOnceFor(identityKey);
    return { words: [...textsSchema.parse(before?.words ?? []), word] };
  }),
});

export const factKinds = [tillPaid, tapeSaid];

const day = fc.integer({ min: 1, max: 3 }).map((at) => `2026-01-0${at}T00:00:00Z`);
/** Few records, so that facts concern the same ones. */
const idArbitrary = fc.constantFrom('one', 'two');
const common = {
  id: idArbitrary,
  occurredAt: fc.option(day, { nil: undefined }),
  fails: fc.boolean(),
};

export const paymentArbitrary: fc.Arbitrary<PaymentFact> = fc.record({
  ...common,
  amount: fc.integer({ min: -5, max: 5 }),
  tag: fc.constantFrom('a', 'b', 'c'),
});
export const wordArbitrary = fc.record({ ...common, word: fc.constantFrom('x', 'y', 'z') });

export function paymentEvent({ id, amount, tag, occurredAt }: PaymentFact, at: number): SentEvent {
  const event = { identityKey: `paid-${at}`, kind: 'till.paid', payload: { id, amount, tag } };
  return { ...event, ...(occurredAt && { occurredAt }) };
}

export function wordEvent({ id, word, sequence, occurredAt }: WordFact, at: number): SentEvent {
  const event = { identityKey: `said-${at}`, kind: 'tape.said', payload: { id, word }, sequence };
  return { ...event, ...(occurredAt && { occurredAt }) };
}
