import { expect, test } from 'vitest';
import { printList } from '../../src/protocol/page.ts';

const parsed = async (...given: Parameters<typeof printList<number>>) =>
  JSON.parse((await printList(...given)).toString());

const conflicts = { list: 'conflicts', next: 'nextAfter' } as const;

test.each([
  ['no entries', []],
  ['one entry', [1]],
  ['several entries', [1, 2, 3]],
])('a list with %s is printed completely', async (_what, entries) => {
  const page = { entries, next: null };
  const names = { list: 'events', next: 'nextBefore' } as const;
  expect(await parsed(names, page, (at) => ({ at, text: 'é"' }))).toEqual({
    events: entries.map((at) => ({ at, text: 'é"' })),
    nextBefore: null,
  });
  expect(await parsed(conflicts, { ...page, next: 7 }, (at) => ({ at }))).toMatchObject({
    nextAfter: 7,
  });
});

test('other work runs between entries that take long to make', async () => {
  const entries = Array.from({ length: 5 }, (_, at) => at);
  const turns: number[] = [];
  let made = 0;
  const watch = () => {
    turns.push(made);
    if (made < entries.length) setImmediate(watch);
  };
  setImmediate(watch);
  await printList(conflicts, { entries, next: null }, () => {
    const end = performance.now() + 20;
    while (performance.now() < end);
    made += 1;
    return {};
  });
  expect(turns).toEqual(expect.arrayContaining([1, 2, 3, 4]));
});

test('an error in one entry fails the list', async () => {
  const fails = printList(conflicts, { entries: [1], next: null }, () => {
    throw new Error('broken');
  });
  await expect(fails).rejects.toThrow('broken');
});
