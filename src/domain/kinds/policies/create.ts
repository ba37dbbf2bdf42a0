import type { Fields } from '../intent.ts';
import {
  definePolicy,
  type EditBase,
  type EditBaseResult,
  lastWriteWins,
  type Policy,
} from './policy.ts';
import { put } from './put.ts';

/** A put that expects no record: if there is or was one, the event is a conflict. */
export function create<Payload>(fieldsOf: (payload: Payload) => Fields): Policy<Payload> {
  return definePolicy(put(fieldsOf), { ...lastWriteWins, precondition: 'absent' });
}

/** The base of an event that creates a record: version 0. The event may state it, and nothing else. */
export function baseOfCreate({ baseKey, baseVersion }: EditBase): EditBaseResult {
  if (baseKey !== null) {
    return { ok: false, message: 'creates a record and cannot have a baseKey', path: 'baseKey' };
  }
  if (baseVersion) {
    const message = 'creates a record and cannot have a baseVersion other than 0';
    return { ok: false, message, path: 'baseVersion' };
  }
  return { ok: true, base: { baseVersion: 0, baseKey: null } };
}
