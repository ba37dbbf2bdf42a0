import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { patch } from '../../domain/kinds/policies/patch.ts';
import { put } from '../../domain/kinds/policies/put.ts';
import { remove } from '../../domain/kinds/policies/remove.ts';

const noteSchema = z.strictObject({
  noteId: identifierSchema,
  title: z.string().max(500),
  body: z.string().max(20_000),
});

const notePatchSchema = noteSchema
  .partial({ title: true, body: true })
  .refine((note) => note.title !== undefined || note.body !== undefined, {
    message: 'must name title or body',
  });

/** Creates a note or replaces it completely. */
export const notePut = defineKind({
  name: 'note.put',
  entityType: 'note',
  payload: payload(noteSchema),
  entityId: (note) => note.noteId,
  policy: put(({ title, body }) => ({ title, body })),
});

/** Changes some fields of a note. Edits of different fields on different devices are both kept. */
export const notePatch = defineKind({
  name: 'note.patch',
  entityType: 'note',
  payload: payload(notePatchSchema),
  entityId: (note) => note.noteId,
  policy: patch(({ title, body }) => ({
    ...(title !== undefined && { title }),
    ...(body !== undefined && { body }),
  })),
});

/** Deletes a note. Its tombstone keeps the last data. */
export const noteRemove = defineKind({
  name: 'note.remove',
  entityType: 'note',
  payload: payload(noteSchema.pick({ noteId: true })),
  entityId: (note) => note.noteId,
  policy: remove(),
});
