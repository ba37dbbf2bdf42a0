/** An event as a client sends it. A test may overwrite any field to make it invalid. */
export interface SentEvent {
  readonly identityKey: string;
  readonly kind: string;
  readonly payload: object;
  readonly [field: string]: unknown;
}

let made = 0;

/** An identityKey that is greater than all earlier ones: of two writes at the same time, the greater key wins. */
export function nextKey(): string {
  made += 1;
  return `key-${String(made).padStart(6, '0')}`;
}

function event(kind: string, payload: object, rest: object): SentEvent {
  return { identityKey: nextKey(), kind, payload, ...rest };
}

interface NoteFields {
  readonly title?: string;
  readonly body?: string;
}

/** A `note.put` under a new key. @param rest fields of the event beside its payload */
export function putNote(noteId: string, fields: NoteFields = {}, rest: object = {}): SentEvent {
  return event('note.put', { noteId, title: '', body: '', ...fields }, rest);
}

export function patchNote(noteId: string, fields: NoteFields, rest: object = {}): SentEvent {
  return event('note.patch', { noteId, ...fields }, rest);
}

export function removeNote(noteId: string, rest: object = {}): SentEvent {
  return event('note.remove', { noteId }, rest);
}

/** The same kind and payload under a new key. */
export function copyWithNewKey(original: SentEvent, rest: object = {}): SentEvent {
  return event(original.kind, original.payload, rest);
}
