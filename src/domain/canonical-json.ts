import { configure } from 'safe-stable-stringify';

const stringify = configure({ deterministic: true, circularValue: Error, strict: true });

/** JSON with sorted keys and no white space: equal values have equal text. */
export function canonicalJson(value: object): string {
  const text = stringify(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
}
