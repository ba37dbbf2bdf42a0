import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { notePatch, notePut, noteRemove } from '../../../src/systems/notes/note.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { create } from '../../../src/domain/kinds/policies/create.ts';
import {
  accept,
  decide,
  patchRecord,
  putRecord,
  reject,
} from '../../../src/domain/kinds/policies/decide.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';

export const noteKinds = [notePut, notePatch, noteRemove];

/** The kind `note.put` of a faulty release: it throws on every event. */
export const throwingNotePut = defineKind({
  name: 'note.put',
  entityType: 'note',
  payload: payload(z.unknown()),
  entityId: () => {
    throw new Error('this release reads no note');
  },
  policy: put(() => ({})),
});

const shelfSchema = z.strictObject({ id: z.string(), room: z.int() });

/** Its events need the scope shelf:admin. */
export const shelfPut = defineKind({
  name: 'shelf.put',
  entityType: 'shelf',
  payload: payload(shelfSchema),
  entityId: ({ id }) => id,
  policy: put(({ room }) => ({ room })),
  scope: 'shelf:admin',
});

export const boxCreate = defineKind({
  name: 'box.create',
  entityType: 'box',
  payload: payload(z.strictObject({ id: z.string(), label: z.string() })),
  entityId: ({ id }) => id,
  policy: create(({ label }) => ({ label })),
});

/** An ordered kind with two payload versions. */
export const pagePut = defineKind({
  name: 'page.put',
  entityType: 'page',
  payload: payload(z.strictObject({ id: z.string(), words: z.string() })).next(
    z.strictObject({ id: z.string(), text: z.string() }),
    ({ id, words }) => ({ id, text: words }),
  ),
  entityId: ({ id }) => id,
  policy: put(({ text }) => ({ text })),
  ordered: true,
});

/** Puts a thing on a shelf with a limited room. It writes the shelf and the thing. */
export const thingPlace = defineKind({
  name: 'thing.place',
  entityType: 'thing',
  payload: payload(z.strictObject({ id: z.string(), shelf: z.string() })),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ shelf }) => [{ entityType: 'shelf', entityId: shelf }],
    decide({ id, shelf }, records) {
      if (shelf === 'cursed') throw new Error('nobody expected this shelf');
      const found = records.find('shelf', shelf);
      const room = Number(found?.data.room ?? 0);
      if (!found || room < 1) return reject('NO_ROOM', `no room on ${shelf}`);
      return accept(
        patchRecord(found, { room: room - 1 }),
        putRecord({ entityType: 'thing', entityId: id }, { shelf }),
      );
    },
  }),
  failures: {
    NO_ROOM: { retryable: true, cause: 'The shelf is full.', remedy: 'Wait until it is not.' },
  },
});

export const storeroomKinds = [...noteKinds, shelfPut, boxCreate, pagePut, thingPlace];
