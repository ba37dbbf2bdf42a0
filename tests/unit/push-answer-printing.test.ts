import { describe, expect, test } from 'vitest';
import { type PushAnswer, pushAnswerSchema } from '../../src/protocol/push.ts';
import { printPushAnswer, type UnprintedAnswer } from '../../src/protocol/push-answer.ts';
import { sales, salesPushAnswerSchema } from '../../src/systems/sales/dialect.ts';
import type { StoredRecord } from '../../src/domain/record.ts';

type Answer = UnprintedAnswer;

const recordOf = (entityId: string, text: string): StoredRecord => ({
  ...{ entityType: 'note', entityId, version: 3, deleted: false },
  data: JSON.stringify({ text }),
  ...{ originKey: 'k', originKind: 'note.put', originDevice: null },
  ...{ originAt: 0, createdAt: 0, updatedAt: 0, dataVersion: 1 },
});

/** An answer to as many conflicts as there are records, with results. */
function conflicts(
  records: readonly (StoredRecord | null)[],
  differingFields: readonly string[] = ['text'],
): Answer {
  const keyed = records.map((current, index) => ({ identityKey: `k${index}`, current }));
  return {
    ...{ success: true, processed: [], checkpoint: 'c', receivedAt: '2026-01-01T00:00:00Z' },
    failed: keyed.map((one) => ({
      ...{ ...one, code: 'CONFLICT', message: 'changed', retryable: false },
      differingFields: [...differingFields],
    })),
    results: keyed.map((one) => ({ ...one, status: 'failed', code: 'CONFLICT' })),
  };
}

const print = (answer: Answer, maxBytes = Number.POSITIVE_INFINITY) =>
  Buffer.from(printPushAnswer(answer, maxBytes));
const read = (printed: Buffer): PushAnswer => JSON.parse(printed.toString());
const isShown = ({ current }: { readonly current?: unknown }) => current !== undefined;

describe('a push answer', () => {
  test('without records is its plain JSON', () => {
    const answer = { ...conflicts([]), processed: ['k0'] };
    expect(read(print(answer, 1))).toEqual(answer);
  });

  test('contains each record as it is stored, and null if there is none', () => {
    const answer = read(print(conflicts([recordOf('n1', 'a "b" 漢'), null])));
    expect(pushAnswerSchema.parse(answer)).toEqual(answer);
    expect(answer.failed.map(({ current }) => current?.data)).toEqual([
      { text: 'a "b" 漢' },
      undefined,
    ]);
    expect(answer.failed[1]?.current).toBeNull();
    expect(answer.results?.map(({ current }) => current)).toEqual(
      answer.failed.map(({ current }) => current),
    );
    expect(answer.failed[0]?.differingFields).toEqual(['text']);
  });

  test('leaves out records and differing fields that do not fit, and marks their entries', () => {
    const record = recordOf('n1', '漢'.repeat(10_000));
    const printed = print(conflicts(Array.from({ length: 500 }, () => record)), 500_000);
    expect(printed.length).toBeLessThanOrEqual(500_000);
    const { failed, results = [] } = read(printed);
    const shown = failed.filter(isShown);
    // About thirty kilobytes each, in both lists, beside 120 kilobytes of entries.
    expect(shown.length).toBeGreaterThan(4);
    expect(shown.length).toBeLessThan(9);
    expect(results.filter(isShown)).toHaveLength(shown.length);
    for (const entry of [...failed, ...results]) {
      expect(entry.currentOmitted).toBe(isShown(entry) ? undefined : true);
    }
    for (const entry of failed.filter((one) => !isShown(one))) {
      expect(entry).not.toHaveProperty('differingFields');
      expect(entry).toMatchObject({ code: 'CONFLICT', message: 'changed' });
    }
  });

  test('contains later records that still fit', () => {
    const records = [recordOf('n1', 'x'.repeat(1_000_000)), recordOf('n2', 'small')];
    const { failed } = read(print(conflicts(records), 10_000));
    expect(failed.map(isShown)).toEqual([false, true]);
  });

  test('counts the names of differing fields against its maximum', () => {
    const names = Array.from({ length: 100 }, (_, index) => `${index}${'x'.repeat(1_000)}`);
    const printed = print(conflicts([recordOf('n1', ''), recordOf('n1', '')], names), 150_000);
    expect(printed.length).toBeLessThanOrEqual(150_000);
    expect(read(printed).failed.map(isShown)).toEqual([true, false]);
  });

  test.each([1, 1_000, 20_000, 100_000])(
    'does not exceed its maximum of %i bytes if it fits without records',
    (maxBytes) => {
      const records = [10, 20_000, 3, 50_000, 7].map((length) =>
        recordOf(`n${length}`, 'é'.repeat(length)),
      );
      const bare = print(conflicts(records), 1).length;
      const printed = print(conflicts(records), maxBytes);
      expect(printed.length).toBeLessThanOrEqual(Math.max(maxBytes, bare));
    },
  );

  test('does not exceed its maximum in the sales dialect either', () => {
    const answer = sales.adaptAnswer(conflicts([recordOf('n1', 'x'.repeat(100_000))]));
    const printed = Buffer.from(printPushAnswer(answer, 50_000));
    const parsed = JSON.parse(printed.toString());
    expect(salesPushAnswerSchema.parse(parsed)).toEqual(parsed);
    expect(parsed.failed).toMatchObject([{ id: 'k0', currentOmitted: true }]);
    expect(parsed.results).toMatchObject([{ id: 'k0', currentOmitted: true }]);
  });
});

test('a record that several entries contain is printed once', () => {
  let reads = 0;
  const record = recordOf('n1', 'text');
  const counted = Object.defineProperty({ ...record }, 'originKind', {
    get: () => {
      reads += 1;
      return record.originKind;
    },
  });
  print(conflicts(Array.from({ length: 500 }, () => counted)));
  expect(reads).toBe(1);
});
