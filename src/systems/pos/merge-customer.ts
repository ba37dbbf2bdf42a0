import type { JsonValue } from '../../domain/json-value.ts';
import type { Fields } from '../../domain/kinds/intent.ts';

/** The fields of a customer that must be lists. */
const listNames: ReadonlySet<string> = new Set(['phones', 'emails', 'addresses']);

/**
 * Merges the changes of two tills to one customer: fields that only one side has are kept, lists are united, and of two
 * different values the incoming one wins. If each till adds a phone number, both numbers are kept. If one till removes
 * a number, the number comes back, which is better than the loss of a number.
 *
 * @throws Error if one side of a list is not a list. Then the last write wins, and the error is logged
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
  // Clients choose other names, and the log does not contain data of clients.
  throw new Error(`${listNames.has(name) ? name : 'a list'} of a customer is not a list`);
}

/** The items of the record, then the items that the incoming side adds. */
function unite(current: readonly JsonValue[], incoming: readonly JsonValue[]): JsonValue {
  const items = [...current, ...incoming];
  return [...new Map(items.map((item) => [sortedJson(item), item])).values()];
}

/** Equal values have equal texts: the fields of an object can have any order. */
function sortedJson(value: JsonValue): string {
  return JSON.stringify(value, (_name, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  );
}

/** Reads own properties only: a field may be called `constructor`. */
function own(fields: Fields, name: string): JsonValue | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
