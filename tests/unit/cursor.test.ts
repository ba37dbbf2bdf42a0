import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { StoredRecord } from '../../src/domain/record.ts';
import { type FeedRequest, toPullPage } from '../../src/feed/changes-feed.ts';
import { feedBeginning, toFeedCursor } from '../../src/feed/cursor.ts';
import type { FeedCursor, FeedPage } from '../../src/feed/feed-store.ts';
import { createCheckpointCodec } from '../../src/protocol/checkpoint.ts';

const codec = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 7)));
const epoch = '0199f3a0-1111-4222-8333-abcdefabcdef';
const complete = (version: number, ...entityTypes: string[]) => ({
  ...{ version, entityTypes, bootstrap: null },
});
const cursorAt = (after: number, ...entityTypes: string[]) => ({
  ...{ entityTypes, after, bootstrap: null },
});
/** Before the first record: no entity type and no id is empty. */
const beginning = { entityType: '', entityId: '' };
const last = { entityType: 'ticket', entityId: 't5' };
const grown = ['note', 'ticket'];

/** The filter grew: note is complete up to version 41, and the records of the other types are read up to t5. */
const reading = (entityTypes: string[] = grown, kept = ['note']) => ({
  ...{ version: kept.length > 0 ? 41 : 0, entityTypes, bootstrap: { head: 100, kept, last } },
});
/** All records are read. Of the changes after them, those of note are seen up to version 60. */
const following = (entityTypes: string[] = grown, kept = ['note']) => ({
  ...{ version: 60, entityTypes, bootstrap: { head: 100, kept, last: null } },
});

describe('a pull', () => {
  test('without a checkpoint begins before the first record', () => {
    expect(toFeedCursor(undefined, ['note'])).toEqual({
      ...{ entityTypes: ['note'], after: 0 },
      bootstrap: { head: feedBeginning, kept: [], last: beginning },
    });
  });

  test.each([
    ['the same types', ['note', 'ticket'], ['note', 'ticket']],
    ['all types', [], []],
    ['fewer types', ['note', 'ticket'], ['ticket']],
    ['some types of all', [], ['note']],
  ])('for %s continues at its checkpoint', (_what, known, requested) => {
    expect(toFeedCursor(complete(41, ...known), requested)).toEqual(cursorAt(41, ...requested));
  });

  test.each([
    ['one more type', ['note'], ['note', 'ticket'], ['note']],
    ['all types in place of some', ['note'], [], ['note']],
    ['one more and one less', ['note', 'user'], ['note', 'ticket'], ['note']],
  ])('for %s bootstraps the new types and keeps the others', (_what, known, requested, kept) => {
    expect(toFeedCursor(complete(41, ...known), requested)).toEqual({
      ...{ entityTypes: requested, after: 41 },
      bootstrap: { head: feedBeginning, kept, last: beginning },
    });
  });

  test('for other types begins before the first record', () => {
    expect(toFeedCursor(complete(41, 'note'), ['ticket'])).toEqual(
      toFeedCursor(undefined, ['ticket']),
    );
  });
});

describe('a pull with another filter while records are read', () => {
  const read = (after: number, kept: string[]) => ({ after, bootstrap: { head: 100, kept, last } });

  test.each([
    ['the same types', reading(), grown, 41, ['note']],
    ['the same types, of which none is kept', reading(grown, []), grown, 0, []],
    ['all types', reading([]), [], 41, ['note']],
    ['fewer types', reading(['note', 'ticket', 'user']), ['note', 'user'], 41, ['note']],
    ['fewer types, of which none is kept', reading(grown, []), ['ticket'], 0, []],
    ['some types of all', reading([]), ['note', 'user'], 41, ['note']],
    ['types without the kept ones', reading(), ['ticket'], 0, []],
    ['types of all without the kept ones', reading([]), ['ticket'], 0, []],
  ])('for %s continues after the last record', (_what, since, requested, after, kept) => {
    const cursor = { entityTypes: requested, ...read(after, kept) };
    expect(toFeedCursor(since, requested)).toEqual(cursor);
  });

  test.each([
    ['all kept types', reading(), ['note']],
    ['some of the kept types', reading(['a', 'note', 'ticket'], ['a', 'note']), ['note']],
    ['kept types of all', reading([]), ['note']],
  ])('for %s only is complete at once', (_what, since, requested) => {
    expect(toFeedCursor(since, requested)).toEqual(cursorAt(41, ...requested));
  });

  test.each([
    ['more types', reading(), ['note', 'ticket', 'user'], ['note']],
    ['more types, of which none is kept', reading(['ticket'], []), ['ticket', 'user'], []],
    ['all types in place of some', reading(), [], ['note']],
    ['one more and one less', reading(), ['note', 'user'], ['note']],
    ['one more in place of the kept ones', reading(), ['ticket', 'user'], []],
    ['other types', reading(), ['user'], []],
  ])(
    'for %s starts again, keeps the complete types, and reads the tombstones since the first start',
    (_what, since, requested, kept) => {
      expect(toFeedCursor(since, requested)).toEqual({
        ...{ entityTypes: requested, after: kept.length > 0 ? 41 : 0 },
        bootstrap: { head: 100, kept, last: beginning },
      });
    },
  );
});

describe('a pull with another filter while the changes after the records are read', () => {
  test.each([
    ['the same types', following(), grown],
    ['all types', following([]), []],
    ['fewer types', following(['note', 'ticket', 'user']), ['note', 'user']],
    ['some types of all', following([]), grown],
  ])('for %s continues with the changes', (_what, since, requested) => {
    expect(toFeedCursor(since, requested)).toEqual({
      ...{ entityTypes: requested, after: 60 },
      bootstrap: { head: 100, kept: ['note'], last: null },
    });
  });

  test.each([
    ['kept types', following(), ['note'], 60],
    ['kept types of all', following([]), ['note'], 60],
    ['the new types', following(), ['ticket'], 100],
    ['new types of all', following([]), ['ticket'], 100],
  ])('for %s only is complete at once', (_what, since, requested, after) => {
    expect(toFeedCursor(since, requested)).toEqual(cursorAt(after, ...requested));
  });

  test.each([
    ['more types', ['note', 'ticket', 'user'], ['note'], 60],
    ['all types in place of some', [], ['note'], 60],
    ['one more in place of the new ones', ['note', 'user'], ['note'], 60],
    ['one more in place of the kept ones', ['ticket', 'user'], [], 0],
    ['other types', ['user'], [], 0],
  ])(
    'for %s begins the records of all but the kept types anew, with the same head',
    (_what, requested, kept, after) => {
      expect(toFeedCursor(following(), requested)).toEqual({
        ...{ entityTypes: requested, after },
        bootstrap: { head: 100, kept, last: beginning },
      });
    },
  );
});

describe('the checkpoint of a page', () => {
  /** What the checkpoint says that follows a page of one record of ticket. */
  function after(cursor: FeedCursor, page: Partial<FeedPage>, version = 70) {
    const request: FeedRequest = {
      ...{ tenantId: 't', since: undefined, cursor, limit: 1, maxBytes: 1 },
    };
    const record = { entityType: 'ticket', entityId: 't6', version } as StoredRecord;
    const whole: FeedPage = {
      ...{ records: [record], hasMore: true, hasMoreRecords: false, head: 120, epoch },
      ...{ horizon: 0, horizons: null, reference: undefined, nextReference: undefined, readAt: 0 },
      ...page,
    };
    const { checkpoint, position } = toPullPage(request, whole, codec);
    const next = codec.decode(checkpoint, 't');
    return { version: next?.version, bootstrap: next?.bootstrap, position };
  }
  const t6 = { entityType: 'ticket', entityId: 't6' };
  const first = toFeedCursor(undefined, []);
  const widened = toFeedCursor(complete(41, 'note'), grown);

  test.each([
    ['a first bootstrap', first, 0, []],
    ['a bootstrap of new types', widened, 41, ['note']],
  ])(
    'within the records of %s names the last of them, and the head',
    (_w, cursor, version, kept) => {
      expect(after(cursor, { hasMoreRecords: true })).toEqual({
        ...{ version, bootstrap: { head: 120, kept, last: t6 }, position: 1 },
      });
    },
  );

  test('within the records keeps the head with which the bootstrap began', () => {
    expect(after(toFeedCursor(reading(), grown), { hasMoreRecords: true })).toMatchObject({
      bootstrap: { head: 100 },
    });
  });

  test('after the last record is complete up to the head, if no type was kept', () => {
    expect(after(first, { hasMore: false })).toEqual({
      version: 120,
      bootstrap: null,
      position: 121,
    });
    const begun = toFeedCursor(reading(grown, []), grown);
    expect(after(begun, {})).toEqual({ version: 100, bootstrap: null, position: 101 });
  });

  test('after the last record goes on with the changes of the kept types', () => {
    expect(after(widened, {})).toEqual({
      ...{ version: 41, bootstrap: { head: 120, kept: ['note'], last: null }, position: 1 },
    });
  });

  test('after the last record is complete if nothing has changed since the kept types were', () => {
    const unchanged = toFeedCursor(complete(120, 'note'), grown);
    expect(after(unchanged, { hasMore: false })).toEqual({
      ...{ version: 120, bootstrap: null, position: 121 },
    });
  });

  test('is complete as soon as the changes reach the head of the bootstrap', () => {
    const changes = toFeedCursor(following(), grown);
    const bootstrap = { head: 100, kept: ['note'], last: null };
    expect(after(changes, {}, 70)).toEqual({ version: 70, bootstrap, position: 1 });
    expect(after(changes, {}, 99)).toEqual({ version: 99, bootstrap, position: 1 });
    expect(after(changes, {}, 100)).toEqual({ version: 100, bootstrap: null, position: 101 });
    expect(after(changes, { hasMore: false }, 70)).toEqual({
      ...{ version: 120, bootstrap: null, position: 121 },
    });
  });
});

describe('a checkpoint', () => {
  function judge(
    since: ReturnType<typeof reading> | ReturnType<typeof following>,
    filter: string[],
    horizons: object,
  ) {
    const cursor = toFeedCursor(since, filter);
    const checkpoint = { ...since, epoch, digest: undefined, token: undefined };
    const request = { tenantId: 't', since: checkpoint, cursor, limit: 1, maxBytes: 1 };
    const page: FeedPage = {
      ...{ records: [], hasMore: false, hasMoreRecords: false, head: 120, epoch },
      ...{ horizon: 120, horizons: new Map(Object.entries(horizons)) },
      ...{ reference: undefined, nextReference: undefined, readAt: 0 },
    };
    return () => toPullPage(request, page, codec);
  }

  test.each([
    ['of a kept type, while records are read', reading(), grown, { note: 42 }],
    ['of a kept type, while changes are read', following(), grown, { note: 61 }],
    ['of a new type, while records are read', reading(), grown, { ticket: 101 }],
    ['of a new type, while changes are read', following(), grown, { ticket: 101 }],
    ['since the first start, once it started again', reading(), ['user'], { user: 101 }],
    ['of a type that was read, once one more is read', following(), [], { ticket: 101 }],
    [
      'since the first start, of a type that is added',
      following(),
      ['note', 'user'],
      { user: 120 },
    ],
  ])('has expired if a tombstone was purged %s', (_what, since, filter, horizons) => {
    expect(judge(since, filter, horizons)).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_EXPIRED' }),
    );
  });

  test.each([
    ['that the client has seen', reading(), grown, { note: 41 }],
    ['from before the bootstrap of its type', reading(), grown, { ticket: 100 }],
    ['from before the bootstrap of its type ended', following(), grown, { ticket: 100 }],
    ['of a type that is not in the filter', reading(), grown, { user: 120 }],
    ['of a type that left the filter', reading(), ['ticket'], { note: 120 }],
  ])('has not expired if a tombstone was purged %s', (_what, since, filter, horizons) => {
    expect(judge(since, filter, horizons)).not.toThrow();
  });
});
