import { isDeepStrictEqual } from 'node:util';
import type { Fields, Intent } from './intent.ts';

/** The fields in which an edit and the record that stands in its way differ. */
export interface Differences {
  /** Their names, sorted: all of them, or as many as an answer shows. */
  readonly fields: readonly string[];
  /** How many more there are. */
  readonly omitted: number;
}

/** For a person who has to choose; a record may have thousands of fields. */
const maxFields = 100;
const none: Differences = { fields: [], omitted: 0 };

/**
 * Compares top-level fields, for a person who has to choose. Of more than a hundred the first that are met
 * are named. None where the edit names no fields, as a delete, and no field that the edit's payload version
 * knows nothing of.
 */
export function differingFields(intent: Intent, current: Fields | null): Differences {
  if (intent.policy !== 'put' && intent.policy !== 'patch') return none;
  const { policy, fields } = intent;
  const unknown = new Set(policy === 'put' ? intent.unknown : []);
  const names: string[] = [];
  let count = 0;
  const add = (name: string) => {
    count += 1;
    if (count <= maxFields) names.push(name);
  };
  for (const name of Object.keys(fields)) {
    if (!unknown.has(name) && !isEqual(fields[name], own(current, name))) add(name);
  }
  if (policy === 'put') {
    for (const name of Object.keys(current ?? {})) {
      if (!unknown.has(name) && !Object.hasOwn(fields, name)) add(name);
    }
  }
  return { fields: names.sort(), omitted: count - names.length };
}

/** As an answer shows them. */
export function printDifferences({ fields, omitted }: Differences) {
  return {
    differingFields: [...fields],
    ...(omitted > 0 && { differingFieldsOmitted: omitted }),
  };
}

/** Most values are texts and numbers, for which the general comparison is slow. */
function isEqual(one: Fields[string] | undefined, other: Fields[string] | undefined): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object') return false;
  return isDeepStrictEqual(one, other);
}

/** A field may be called `constructor`. */
function own(fields: Fields | null, name: string) {
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
}
