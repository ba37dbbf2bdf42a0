import { expect } from 'vitest';
import { type Problem, problemSchema } from '../../../src/protocol/problem.ts';
import type { TestAnswer } from '../app.ts';
import { expectShape } from './tenant.ts';

/** What no text of an answer may hold: stacks, SQL, file names, the names of what it is made of. */
export const leaks =
  /\bat (?:[^"\\]|\\.)+:\d+:\d+|node_modules|\.[jt]s\b|file:|\/(src|home|tmp|usr)\/|\b(select|insert|update|delete)\b(?:[^"\\]|\\.)+\b(from|into|set)\b|postgres|fastify|FST_|\bzod\b|"(stack|cause)"/i;

/** A refusal as `application/problem+json`, checked for what holds of all of them. */
export function refusalOf({ status, headers, body }: TestAnswer): Problem {
  const problem = expectShape(problemSchema, body);
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(headers['x-request-id']).toEqual(expect.stringMatching(/./));
  expect(headers).not.toHaveProperty('server');
  expect(headers).not.toHaveProperty('x-powered-by');
  expect(problem.status).toBe(status);
  expect(JSON.stringify(body)).not.toMatch(leaks);
  return problem;
}
