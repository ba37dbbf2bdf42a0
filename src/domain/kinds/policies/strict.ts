import { definePolicy, type EditBase, type EditBaseResult, type Policy } from './policy.ts';

/**
 * The same policy, which requires `baseVersion` or `baseKey` of every event, so that no edit overwrites another one
 * that its author has not seen.
 */
export function strict<Payload>(lenient: Policy<Payload>): Policy<Payload> {
  return definePolicy(lenient, { family: lenient.family, precondition: 'required' });
}

/** @param base as the event or its payload states it */
export function baseOfStrict(base: EditBase): EditBaseResult {
  if (base.baseVersion !== null || base.baseKey !== null) return { ok: true, base };
  const message = 'needs the baseVersion or the baseKey of what it was made on';
  return { ok: false, message, path: 'baseVersion' };
}
