/** An event as a client sends it; any field may be overwritten to break it. */
export interface SentEvent {
  readonly identityKey: string;
  readonly kind: string;
  readonly payload: object;
  readonly [field: string]: unknown;
}

let made = 0;

/** Each greater than the one before, as where times are equal the greater key wins. */
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

/** A `note.put` under a key of its own; `rest` are fields around the payload. */
export function put(noteId: string, fields: NoteFields = {}, rest: object = {}): SentEvent {
  return event('note.put', { noteId, title: '', body: '', ...fields }, rest);
}

export function patch(noteId: string, fields: NoteFields, rest: object = {}): SentEvent {
  return event('note.patch', { noteId, ...fields }, rest);
}

export function remove(noteId: string, rest: object = {}): SentEvent {
  return event('note.remove', { noteId }, rest);
}

/** The same action under another key. */
export function another(original: SentEvent, rest: object = {}): SentEvent {
  return event(original.kind, original.payload, rest);
}
