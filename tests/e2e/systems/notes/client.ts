import type { LocalKinds } from '../local-kinds.ts';

const note = {
  entityType: 'note',
  entityId: ({ noteId }: { readonly noteId?: unknown }) => String(noteId),
};

/** The kinds of src/systems/notes on a device. */
export const noteKinds: LocalKinds = {
  'note.put': { ...note, apply: (_before, { title, body }) => ({ title, body }) },
  'note.patch': {
    ...note,
    apply: (before, { noteId: _id, ...fields }) => before && { ...before, ...fields },
  },
  'note.remove': { ...note, apply: () => undefined },
};
