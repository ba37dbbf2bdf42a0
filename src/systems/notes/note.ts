import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { patch, put, remove } from '../../domain/kinds/policies.ts';

const noteSchema = z.strictObject({
  noteId: identifierSchema,
  title: z.string().max(500),
  body: z.string().max(20_000),
});

const notePatchSchema = noteSchema
  .partial({ title: true, body: true })
  .refine((note) => note.title !== undefined || note.body !== undefined, {
    message: 'name at least one of title, body',
  });

/** Creates a note or replaces it whole. */
export const notePut = defineKind({
  name: 'note.put',
  entityType: 'note',
  payload: payload(noteSchema),
  entityId: (note) => note.noteId,
  policy: put(({ title, body }) => ({ title, body })),
});

/** Changes some fields of a note; edits of different fields on different devices both survive. */
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

/** Deletes a note; its tombstone keeps the last data. */
export const noteRemove = defineKind({
  name: 'note.remove',
  entityType: 'note',
  payload: payload(noteSchema.pick({ noteId: true })),
  entityId: (note) => note.noteId,
  policy: remove(),
});
