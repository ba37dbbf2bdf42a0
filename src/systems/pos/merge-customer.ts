import type { JsonValue } from '../../domain/json-value.ts';
import type { Fields } from '../../domain/kinds/intent.ts';

/** Lists by what they mean: where such a field is anything else, there is nothing to unite. */
const listNames: ReadonlySet<string> = new Set(['phones', 'emails', 'addresses']);

/**
 * One customer of two tills that both changed it: fields that only one side has are kept, lists are
 * united, and of two different values the incoming one wins. Two tills that each note a phone number
 * so keep both; a number that one of them took off the list comes back, which costs less than one
 * that is lost.
 *
 * @throws Error where one side of a list is not a list: the last write then wins, and it is logged
 */
export function mergeCustomer(current: Fields, incoming: Fields): Fields {
  const names = new Set([...Object.keys(current), ...Object.keys(incoming)]);
  const merged = [...names].flatMap((name) => {
    const value = mergeField(name, own(current, name), own(incoming, name));
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(merged);
}

function mergeField(
  name: string,
  current: JsonValue | undefined,
  incoming: JsonValue | undefined,
): JsonValue | undefined {
  if (listNames.has(name) || Array.isArray(current) || Array.isArray(incoming)) {
    return unite(listOf(name, current), listOf(name, incoming));
  }
  return incoming === undefined ? current : incoming;
}

function listOf(name: string, value: JsonValue | undefined): readonly JsonValue[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  // Another name is the client's own, and no line of the log holds those.
  throw new Error(`${listNames.has(name) ? name : 'a list'} of a customer is not a list`);
}

/** The record's items first, then what the incoming side adds. */
function unite(current: readonly JsonValue[], incoming: readonly JsonValue[]): JsonValue {
  const items = [...current, ...incoming];
  return [...new Map(items.map((item) => [sortedJson(item), item])).values()];
}

/** One text for equal values: an object's fields may come in any order. */
function sortedJson(value: JsonValue): string {
  return JSON.stringify(value, (_name, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  );
}

/** A field may be called `constructor`. */
function own(fields: Fields, name: string): JsonValue | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
