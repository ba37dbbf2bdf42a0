import type { z } from 'zod';
import { RequestProblem } from '../errors.ts';
import { describeFirst } from './issue.ts';

/** @throws RequestProblem INVALID_QUERY, naming the parameter */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  query: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const { message, ...members } = describeFirst(parsed.error);
  throw new RequestProblem('INVALID_QUERY', message, members);
}
