import type { JsonValue } from '../protocol/json.ts';

/** Top-level fields of a record's data. */
export type Fields = { readonly [name: string]: JsonValue };

/** What a kind asks for, decided by last write wins in push/last-write-wins.ts. */
export type Write =
  | { readonly policy: 'put'; readonly fields: Fields }
  | { readonly policy: 'patch'; readonly fields: Fields }
  | { readonly policy: 'remove' };

/** A pure function from a kind's newest payload to its write. A new policy is a new one of these. */
export type Policy<Payload> = (payload: Payload) => Write;

/** Last write wins on the whole record: fields that `fieldsOf` does not name are gone. */
export function put<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return (payload) => ({ policy: 'put', fields: fieldsOf(payload) });
}

/** Last write wins field by field, so that edits of different fields both survive. */
export function patch<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return (payload) => ({ policy: 'patch', fields: fieldsOf(payload) });
}

/** Last write wins on being there; the last data stays under the tombstone. */
export function remove(): Policy<unknown> {
  return () => ({ policy: 'remove' });
}
