import { describe, expect, test } from 'vitest';
import { feedBeginning, toFeedCursor } from '../../src/feed/cursor.ts';

const whole = (version: number, ...entityTypes: string[]) => ({
  ...{ version, entityTypes, bootstrap: null },
});
const plain = (after: number, ...entityTypes: string[]) => ({
  ...{ entityTypes, after, bootstrapHead: 0, kept: [], floor: 0 },
});
/** note was kept at 41, ticket is bootstrapped, and has come to 10 of 100. */
const growing = (version = 10, entityTypes = ['note', 'ticket']) => ({
  ...{ version, entityTypes, bootstrap: { head: 100, kept: ['note'], floor: 41 } },
});
const bootstrapping = (version: number, ...entityTypes: string[]) => ({
  ...{ version, entityTypes, bootstrap: { head: 100, kept: [], floor: 0 } },
});

describe('a pull goes on', () => {
  test('without a checkpoint from the beginning', () => {
    expect(toFeedCursor(undefined, ['note'])).toEqual({
      ...plain(0, 'note'),
      bootstrapHead: feedBeginning,
    });
  });

  test.each([
    ['the same types', ['note', 'ticket'], ['note', 'ticket']],
    ['all types', [], []],
    ['fewer types', ['note', 'ticket'], ['ticket']],
    ['some types of all', [], ['note']],
  ])('for %s where it is', (_what, known, asked) => {
    expect(toFeedCursor(whole(41, ...known), asked)).toEqual(plain(41, ...asked));
  });

  test.each([
    ['one more type', ['note'], ['note', 'ticket'], ['note']],
    ['all types in place of some', ['note'], [], ['note']],
    ['one more and one less', ['note', 'user'], ['note', 'ticket'], ['note']],
  ])('for %s with a bootstrap of the new ones', (_what, known, asked, kept) => {
    expect(toFeedCursor(whole(41, ...known), asked)).toEqual({
      ...{ entityTypes: asked, after: 0, bootstrapHead: feedBeginning, kept, floor: 41 },
    });
  });

  test('for other types from the beginning', () => {
    expect(toFeedCursor(whole(41, 'note'), ['ticket'])).toEqual({
      ...{ ...plain(0, 'ticket'), bootstrapHead: feedBeginning },
    });
  });
});

describe('a filter that changes while a bootstrap is under way', () => {
  test('goes on where it stays, and with fewer types', () => {
    const goesOn = { after: 10, bootstrapHead: 100 };
    const asked = ['note', 'ticket'];
    expect(toFeedCursor(bootstrapping(10, ...asked), asked)).toMatchObject({ ...goesOn, kept: [] });
    expect(toFeedCursor(bootstrapping(10, ...asked), ['note'])).toMatchObject({
      ...goesOn,
      kept: [],
    });
    expect(toFeedCursor(growing(), asked)).toMatchObject({ ...goesOn, kept: ['note'], floor: 41 });
    expect(toFeedCursor(growing(), ['ticket'])).toMatchObject({ ...goesOn, kept: [], floor: 0 });
  });

  test('to the types that were whole before it is whole at once', () => {
    expect(toFeedCursor(growing(), ['note'])).toEqual(plain(41, 'note'));
    expect(toFeedCursor(growing(60), ['note'])).toEqual(plain(60, 'note'));
    expect(toFeedCursor(growing(10, []), ['note'])).toEqual(plain(41, 'note'));
  });

  test('to more types begins again, keeps what was whole, and sends tombstones since the first began', () => {
    const again = { after: 0, bootstrapHead: 100 };
    expect(toFeedCursor(bootstrapping(10, 'note'), ['note', 'user'])).toMatchObject({
      ...{ ...again, kept: [], floor: 0 },
    });
    expect(toFeedCursor(growing(), [])).toMatchObject({ ...again, kept: ['note'], floor: 41 });
    expect(toFeedCursor(growing(60), ['note', 'ticket', 'user'])).toMatchObject({
      ...{ ...again, kept: ['note'], floor: 60 },
    });
  });
});
