import { expect } from 'vitest';
import { type Problem, problemSchema } from '../../../src/protocol/problem.ts';
import type { TestAnswer } from './test-app.ts';
import { expectExactShape } from './tenant.ts';

/** What no answer may contain: stack traces, SQL, file names, names of libraries. */
export const leakPattern =
  /\bat (?:[^"\\]|\\.)+:\d+:\d+|node_modules|\.[jt]s\b|file:|\/(src|home|tmp|usr)\/|\b(select|insert|update|delete)\b(?:[^"\\]|\\.)+\b(from|into|set)\b|postgres|fastify|FST_|\bzod\b|"(stack|cause)"/i;

/**
 * Parses an `application/problem+json` answer, and checks what every refusal has to fulfil.
 *
 * @throws AssertionError where it does not fulfil it
 */
export function expectProblem({ status, headers, body }: TestAnswer): Problem {
  const problem = expectExactShape(problemSchema, body);
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(headers['x-request-id']).toEqual(expect.stringMatching(/./));
  expect(headers).not.toHaveProperty('server');
  expect(headers).not.toHaveProperty('x-powered-by');
  expect(problem.status).toBe(status);
  expect(JSON.stringify(body)).not.toMatch(leakPattern);
  return problem;
}
