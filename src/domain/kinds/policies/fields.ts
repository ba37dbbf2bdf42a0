import { isDeepStrictEqual } from 'node:util';
import type { Fields } from '../intent.ts';

/** The fields in which an edit differs from the record that it conflicts with, for a person who has to choose. */
export interface Differences {
  /** Their names, sorted; at most 100. */
  readonly fields: readonly string[];
  /** How many more there are. */
  readonly omitted: number;
}

/** A record can have thousands of fields. */
const maxFields = 100;

/** @param names of all fields that differ; the first 100 are kept */
export function toDifferences(names: readonly string[]): Differences {
  const fields = names.slice(0, maxFields).sort();
  return { fields, omitted: names.length - fields.length };
}

/** The members of an answer that name the differing fields. */
export function printDifferences({ fields, omitted }: Differences) {
  return {
    differingFields: [...fields],
    ...(omitted > 0 && { differingFieldsOmitted: omitted }),
  };
}

/** Whether two records have different values for one field. */
export function isDifferent(name: string, one: Fields | null, other: Fields | null): boolean {
  const [left, right] = [ownField(one, name), ownField(other, name)];
  if (left === right) return false;
  // Most values are texts and numbers, for which the deep comparison is slow.
  if (typeof left !== 'object' || typeof right !== 'object') return true;
  return !isDeepStrictEqual(left, right);
}

/** Reads own properties only: a field may be called `constructor`. */
function ownField(fields: Fields | null, name: string) {
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

export function omitFields(fields: Fields, names: readonly string[]): Fields {
  if (names.length === 0) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
