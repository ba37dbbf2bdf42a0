import { isDeepStrictEqual } from 'node:util';
import type { Fields, Intent } from './intent.ts';

/**
 * The top-level fields in which an edit and the record that stands in its way differ, sorted: for a
 * person who has to choose. Empty where the edit names no fields, as a delete.
 */
export function differingFields(intent: Intent, current: Fields | null): readonly string[] {
  if (intent.policy !== 'put' && intent.policy !== 'patch') return [];
  const { policy, fields } = intent;
  const names = Object.keys(policy === 'put' ? { ...current, ...fields } : fields);
  return names.filter((name) => !isDeepStrictEqual(own(fields, name), own(current, name))).sort();
}

/** A field may be called `constructor`. */
function own(fields: Fields | null, name: string) {
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
}
