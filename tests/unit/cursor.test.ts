import { describe, expect, test } from 'vitest';
import { feedBeginning, toFeedCursor } from '../../src/feed/cursor.ts';

const complete = (version: number, ...entityTypes: string[]) => ({
  ...{ version, entityTypes, bootstrap: null },
});
const cursorAt = (after: number, ...entityTypes: string[]) => ({
  ...{ entityTypes, after, bootstrapHead: 0, kept: [], floor: 0 },
});
/** The filter grew: note is kept at version 41, and the bootstrap of ticket is at 10 of 100. */
const bootstrappingTicket = (version = 10, entityTypes = ['note', 'ticket']) => ({
  ...{ version, entityTypes, bootstrap: { head: 100, kept: ['note'], floor: 41 } },
});
const bootstrapping = (version: number, ...entityTypes: string[]) => ({
  ...{ version, entityTypes, bootstrap: { head: 100, kept: [], floor: 0 } },
});

describe('a pull', () => {
  test('without a checkpoint starts at the beginning', () => {
    expect(toFeedCursor(undefined, ['note'])).toEqual({
      ...cursorAt(0, 'note'),
      bootstrapHead: feedBeginning,
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
      ...{ entityTypes: requested, after: 0, bootstrapHead: feedBeginning, kept, floor: 41 },
    });
  });

  test('for other types starts at the beginning', () => {
    expect(toFeedCursor(complete(41, 'note'), ['ticket'])).toEqual({
      ...{ ...cursorAt(0, 'ticket'), bootstrapHead: feedBeginning },
    });
  });
});

describe('a pull with another filter during a bootstrap', () => {
  test('continues the bootstrap for the same types and for fewer types', () => {
    const continued = { after: 10, bootstrapHead: 100 };
    const requested = ['note', 'ticket'];
    expect(toFeedCursor(bootstrapping(10, ...requested), requested)).toMatchObject({
      ...continued,
      kept: [],
    });
    expect(toFeedCursor(bootstrapping(10, ...requested), ['note'])).toMatchObject({
      ...continued,
      kept: [],
    });
    expect(toFeedCursor(bootstrappingTicket(), requested)).toMatchObject({
      ...continued,
      kept: ['note'],
      floor: 41,
    });
    expect(toFeedCursor(bootstrappingTicket(), ['ticket'])).toMatchObject({
      ...continued,
      kept: [],
      floor: 0,
    });
  });

  test('for the kept types only is complete at once', () => {
    expect(toFeedCursor(bootstrappingTicket(), ['note'])).toEqual(cursorAt(41, 'note'));
    expect(toFeedCursor(bootstrappingTicket(60), ['note'])).toEqual(cursorAt(60, 'note'));
    expect(toFeedCursor(bootstrappingTicket(10, []), ['note'])).toEqual(cursorAt(41, 'note'));
  });

  test('for more types starts again, keeps the complete types, and reads the tombstones since the first start', () => {
    const restarted = { after: 0, bootstrapHead: 100 };
    expect(toFeedCursor(bootstrapping(10, 'note'), ['note', 'user'])).toMatchObject({
      ...{ ...restarted, kept: [], floor: 0 },
    });
    expect(toFeedCursor(bootstrappingTicket(), [])).toMatchObject({
      ...restarted,
      kept: ['note'],
      floor: 41,
    });
    expect(toFeedCursor(bootstrappingTicket(60), ['note', 'ticket', 'user'])).toMatchObject({
      ...{ ...restarted, kept: ['note'], floor: 60 },
    });
  });
});
