import type { EventFailure } from '../domain/errors.ts';
import type { Kind, Interpretation } from '../domain/kinds/define-kind.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import { type EntityRef, isSameEntity } from '../domain/record.ts';
import { interpretPayload } from '../domain/decide/decode-event.ts';

/** The part of a stored event that its kind interprets. */
export interface StoredPayload extends EntityRef {
  readonly kind: string;
  readonly kindVersion: number;
  readonly payload: unknown;
}

export type StoredInterpretation =
  | { readonly ok: true; readonly kind: Kind; readonly interpretation: Interpretation }
  | { readonly ok: false; readonly failure: EventFailure; readonly fault?: unknown };

/**
 * Interprets a stored payload with the current kinds. The kinds may have changed since the payload was
 * stored: the kind may be removed, refuse the payload, or throw on it.
 */
export function interpretStored(stored: StoredPayload, kinds: KindRegistry): StoredInterpretation {
  const { kind: name, kindVersion } = stored;
  const fail = (failure: EventFailure): StoredInterpretation => ({ ok: false, failure });
  const kind = kinds.find(name);
  if (!kind) return fail({ code: 'UNKNOWN_KIND', message: `this server has no kind ${name}` });
  if (kindVersion > kind.newestVersion) {
    const message = `this server knows no version ${kindVersion} of ${name}`;
    return fail({ code: 'UNSUPPORTED_VERSION', message });
  }
  const interpreted = interpretPayload(kind, kindVersion, stored.payload);
  if (!interpreted.ok) return interpreted;
  const { interpretation } = interpreted;
  if (!isSameEntity({ entityType: kind.entityType, entityId: interpretation.entityId }, stored)) {
    return fail({ code: 'INVALID_PAYLOAD', message: 'is about another entity', path: 'payload' });
  }
  return { ok: true, kind, interpretation };
}
