import type { LocalKinds } from './view.ts';

const note = {
  entityType: 'note',
  entityId: ({ noteId }: { readonly noteId?: unknown }) => String(noteId),
};

/** The kinds of src/kinds/notes, as this device plays them ahead of the server. */
export const noteKinds: LocalKinds = {
  'note.put': { ...note, apply: (_before, { title, body }) => ({ title, body }) },
  'note.patch': {
    ...note,
    apply: (before, { noteId: _id, ...fields }) => before && { ...before, ...fields },
  },
  'note.remove': { ...note, apply: () => undefined },
};
