import { isUtf8 } from 'node:buffer';
import { parse } from 'secure-json-parse';
import { type EventFailure, RequestProblem } from '../errors.ts';
import { toPath } from './issue.ts';

const maxDepth = 32;

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * Reads a request body. A lenient decoder would turn invalid bytes into U+FFFD and make different
 * texts equal, so the bytes are checked before they become text.
 *
 * @throws RequestProblem INVALID_UTF8, INVALID_JSON or TOO_DEEP
 */
export function parseJsonBody(body: Buffer): JsonValue {
  if (!isUtf8(body)) throw new RequestProblem('INVALID_UTF8');
  let value: JsonValue;
  try {
    value = parse(body.toString('utf8'), { protoAction: 'error', constructorAction: 'error' });
  } catch {
    throw new RequestProblem('INVALID_JSON');
  }
  if (isDeeperThan(value, maxDepth)) throw new RequestProblem('TOO_DEEP');
  return value;
}

function isDeeperThan(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const child of Object.values(value)) {
    if (isDeeperThan(child, levels - 1)) return true;
  }
  return false;
}

/**
 * The first text or number in a value that the database could not keep as it is, or undefined.
 * `value` must have come through parseJsonBody, which bounds its depth.
 */
export function findUnstorable(value: unknown, path = ''): EventFailure | undefined {
  if (typeof value === 'string') return textFailure(value, path);
  if (typeof value === 'number') return numberFailure(value, path);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    const failure = textFailure(key, path) ?? findUnstorable(child, path ? `${path}.${key}` : key);
    if (failure) return failure;
  }
  return undefined;
}

function textFailure(text: string, path: string): EventFailure | undefined {
  if (text.isWellFormed() && !text.includes('\u0000')) return undefined;
  const message = 'holds U+0000 or half of a surrogate pair';
  return { code: 'INVALID_TEXT', message, ...(path && { path: toPath([path]) }) };
}

function numberFailure(number: number, path: string): EventFailure | undefined {
  if (Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number))) {
    return undefined;
  }
  const message = 'is not finite or beyond 2^53-1';
  return { code: 'INVALID_NUMBER', message, ...(path && { path: toPath([path]) }) };
}
