import { expect, test } from 'vitest';
import {
  accept,
  patchRecord,
  putRecord,
  reject,
  removeRecord,
} from '../../src/domain/kinds/policies/decide.ts';
import type { Records, Write } from '../../src/domain/kinds/intent.ts';
import type { EntityRef } from '../../src/domain/record.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { rehearse } from '../../src/testing/rehearse.ts';
import { putNote, type SentEvent } from '../testkit/events/sent-events.ts';
import {
  other,
  play,
  readingKind,
  type Script,
  scriptKind,
  writingKinds,
} from './support/scripts.ts';

const unnamed = { entityType: 'script', entityId: 'unnamed' };
const circular: { [name: string]: unknown } = {};
circular.self = circular;

const plays = {
  throws: () => {
    throw new Error('a fault');
  },
  'answers nothing': () => undefined,
  'rejects to be sent again in a moment and a half': () =>
    reject('NOT_NOW', 'no', { retryAfterMs: 1.5 }),
  'rejects to be sent again before now': () => reject('NOT_NOW', 'no', { retryAfterMs: -1 }),
  'writes in a way that is none': () =>
    accept({ ...other, write: { policy: 'append', fields: {} } as unknown as Write }),
  'answers later': async () => accept(),
  'rejects with a code that it does not declare': () => reject('SURPRISE', 'no'),
  'rejects with a code of the core that is not for kinds': () => reject('CONFLICT', 'no'),
  'rejects with a name that every object has': () => reject('constructor', 'no'),
  'reads what it did not name': (records: Records) => {
    records.find('script', 'unnamed');
    return accept();
  },
  'writes what it did not name': () => accept(putRecord(unnamed, {})),
  'removes what it did not name': () => accept(removeRecord(unnamed)),
  'writes a record twice': () => accept(putRecord(other, { a: 1 }), putRecord(other, { b: 1 })),
  'patches what is not there': () => accept(patchRecord(other, { a: 1 })),
  'writes one good record, and one that it did not name': () =>
    accept(putRecord(other, { a: 1 }), putRecord(unnamed, {})),
} as unknown as { readonly [name: string]: Script };

const values: { readonly [name: string]: unknown } = {
  null: null,
  undefined,
  'a text': 'fields',
  'a list': [1],
  'a promise': Promise.resolve({}),
  'U+0000': { text: 'a\u0000' },
  'half a surrogate pair': { text: '\u{1F600}'.slice(0, 1) },
  'a field name with U+0000': { 'a\u0000': 1 },
  'not a number': { ratio: 0 / 0 },
  'an infinite number': { deep: [{ ratio: 1 / 0 }] },
  'an integer beyond 2^53': { count: 2 ** 60 },
  'a bigint': { count: 1n },
  'a function': { run: () => {} },
  'a symbol': { deep: { of: Symbol('s') } },
  'a date': { at: new Date(0) },
  'a map': { of: new Map() },
  'a field that is undefined': { a: 1, b: undefined },
  'a circle': circular,
};

const ids = {
  'an empty id': [{ entityType: 'script', entityId: '' }],
  'an id of 201 characters': [{ entityType: 'script', entityId: 'x'.repeat(201) }],
  'an id of 9,000 characters': [{ entityType: 'script', entityId: 'x'.repeat(9000) }],
  'an id with U+0000': [{ entityType: 'script', entityId: 'a\u0000' }],
  'an id that is undefined': [{ entityType: 'script', entityId: undefined }],
} as unknown as { readonly [name: string]: readonly EntityRef[] };

const reads = {
  'an entity type with a comma': [{ entityType: 'a,b', entityId: 'x' }],
  'an entity type with a line break': [{ entityType: 'a\nb', entityId: 'x' }],
  'no list': undefined,
  'a list of nothing': [null],
} as unknown as { readonly [name: string]: readonly EntityRef[] };

const kinds = [
  ...bundledKinds,
  scriptKind(plays),
  readingKind({ ...ids, ...reads }),
  ...writingKinds(values),
];

/** The event, between two notes. */
function rehearseBetweenNotes(event: SentEvent) {
  const events = [putNote('n1'), event, putNote('n2')];
  const { answers, records, faults } = rehearse(kinds, [{ events }]);
  const { failed = [], results = [] } = answers[0] ?? {};
  expect(results.map(({ status }) => status)).toEqual(['applied', 'failed', 'applied']);
  expect(records.map(({ entityId, version }) => [entityId, version])).toEqual([
    ['n1', 1],
    ['n2', 2],
  ]);
  return { failed, faults };
}

const faultyPlays = [
  ...Object.keys(plays).map((name) => ['script', name] as const),
  ...Object.keys(reads).map((name) => ['reader', name] as const),
  ...Object.keys(values).flatMap((name) =>
    (['put', 'append', 'decide'] as const).map((kind) => [kind, name] as const),
  ),
];

test.each(faultyPlays)(
  'an error of the kind fails only its own event, and the operator gets the reason: %s of %s',
  (kind, name) => {
    const { failed, faults } = rehearseBetweenNotes(play(kind, name));
    expect(failed).toMatchObject([
      { code: 'KIND_FAILED', retryable: true, message: `${kind}.play failed on this event` },
    ]);
    expect(faults).toEqual([expect.any(Error)]);
  },
);

test.each(Object.keys(ids))(
  'an event that names another record by an invalid id is refused as the fault of its sender: %s',
  (name) => {
    const { failed } = rehearseBetweenNotes(play('reader', name));
    expect(failed).toMatchObject([{ code: 'INVALID_PAYLOAD', retryable: false, path: 'payload' }]);
  },
);
