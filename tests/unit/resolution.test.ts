import { expect, test } from 'vitest';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { fingerprintOf } from '../../src/domain/event.ts';
import { resolutionContent, toResolutionEvent } from '../../src/audit/conflict-resolution.ts';
import { noteKinds, pagePut } from '../testkit/kinds/storeroom-kinds.ts';

const kinds = createRegistry([...noteKinds, pagePut]);
const note = { noteId: 'n1', title: 'A', body: '' };
const conflict = {
  version: 7,
  kind: 'note.put',
  kindVersion: 1,
  entityType: 'note',
  entityId: 'n1',
  sequence: null,
  payload: note,
};

test('every resolution of a conflict has the same key, and no client can use that key', () => {
  for (const request of [
    { resolution: 'discard' },
    { resolution: 'force' },
    { resolution: 'merge', payload: note },
  ] as const) {
    expect(toResolutionEvent(conflict, request, kinds)).toMatchObject({
      identityKey: 'landfall:resolution:7',
      envelope: { occurredAt: null, baseVersion: null, baseKey: null },
      resolves: { version: 7, resolution: request.resolution },
    });
  }
});

test('requests have the same fingerprint only for the same conflict, resolution and payload', () => {
  const requests = [
    [7, { resolution: 'discard' }],
    [8, { resolution: 'discard' }],
    [7, { resolution: 'force' }],
    [7, { resolution: 'merge', payload: { a: 1, b: 2 } }],
    [7, { resolution: 'merge', payload: { a: 1, b: 3 } }],
    [7, { resolution: 'merge', payload: null }],
  ] as const;
  const fingerprints = requests.map(([version, request]) =>
    fingerprintOf(resolutionContent({ version }, request)),
  );
  expect(new Set(fingerprints.map((bytes) => bytes.toString('hex'))).size).toBe(requests.length);
  const reordered = { resolution: 'merge', payload: { b: 2, a: 1 } } as const;
  const content = resolutionContent({ version: 7 }, reordered);
  expect(fingerprintOf(content)).toEqual(fingerprints[3]);
  const force = { resolution: 'force' } as const;
  expect(toResolutionEvent(conflict, force, kinds).fingerprint).toEqual(fingerprints[2]);
});

test.each([
  ['the kind was removed', { kind: 'letter.put' }, 'UNKNOWN_KIND'],
  ['its version is of a newer release', { kindVersion: 2 }, 'UNSUPPORTED_VERSION'],
  ['the kind no longer accepts the payload', { payload: { noteId: 'n1' } }, 'INVALID_PAYLOAD'],
  ['the kind now reads another entity from the payload', { entityId: 'n2' }, 'INVALID_PAYLOAD'],
  ['the kind now has another entity type', { entityType: 'letter' }, 'INVALID_PAYLOAD'],
])('a conflict can be discarded but not forced if %s', (_what, change, failure) => {
  const changed = { ...conflict, ...change };
  expect(() => toResolutionEvent(changed, { resolution: 'force' }, kinds)).toThrow(
    expect.objectContaining({ code: 'RESOLUTION_REFUSED', members: { failure } }),
  );
  expect(toResolutionEvent(changed, { resolution: 'discard' }, kinds)).toMatchObject({
    intent: { policy: 'discard' },
  });
});

test('force and merge use the sequence number of the edit, and discard uses none', () => {
  const page = {
    ...conflict,
    kind: 'page.put',
    entityType: 'page',
    entityId: 'p',
    sequence: 3,
    payload: { id: 'p', words: 'w' },
  };
  const eventOf = (request: Parameters<typeof toResolutionEvent>[1]) => {
    const { envelope, kindVersion, definition } = toResolutionEvent(page, request, kinds);
    return [envelope.sequence, kindVersion, definition.ordered];
  };
  expect(eventOf({ resolution: 'force' })).toEqual([3, 1, true]);
  expect(eventOf({ resolution: 'merge', payload: { id: 'p', text: 'w' } })).toEqual([3, 2, true]);
  expect(eventOf({ resolution: 'discard' })).toEqual([null, 1, false]);
});
