import { hash } from 'node:crypto';
import { configure } from 'safe-stable-stringify';

const stringify = configure({ deterministic: true, circularValue: Error, strict: true });

/**
 * JSON with sorted keys and no white space: equal values have equal text.
 *
 * @throws TypeError if the value is not JSON
 */
export function canonicalJson(value: object): string {
  const text = stringify(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
}

/**
 * The digest is read as text and converted. A digest that is read as bytes allocates memory of its own, and takes
 * half as much time again.
 */
export function sha256(data: string | Buffer): Buffer {
  return Buffer.from(hash('sha256', data, 'hex'), 'hex');
}
