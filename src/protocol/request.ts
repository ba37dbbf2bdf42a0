import type { z } from 'zod';
import { type ProblemCode, RequestProblem } from '../domain/errors.ts';
import { describeFirstIssue } from '../domain/json-value.ts';

/** @throws RequestProblem INVALID_QUERY, naming the parameter */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  query: unknown,
): z.output<Schema> {
  return parseOr('INVALID_QUERY', schema, query);
}

/** @throws RequestProblem INVALID_JSON if there is no body, else INVALID_ENVELOPE, naming the field */
export function parseEnvelope<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
): z.output<Schema> {
  if (body === undefined) throw new RequestProblem('INVALID_JSON');
  return parseOr('INVALID_ENVELOPE', schema, body);
}

function parseOr<Schema extends z.ZodType>(
  code: ProblemCode,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { message, ...members } = describeFirstIssue(parsed.error);
  throw new RequestProblem(code, message, members);
}

/** Weak comparison (RFC 9110, 13.1.2), because a proxy that compresses the answer weakens its tag. */
export function matchesEntityTag(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',') ?? [];
  return tags.some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
