import { z } from 'zod';
import { type ProblemCode, type RequestProblem, requestProblems } from '../domain/errors.ts';

const codes = Object.keys(requestProblems) as [ProblemCode, ...ProblemCode[]];

/**
 * A problem of RFC 9457, always with a code of the closed table. The same fault always has the same body, so that a
 * refusal reveals nothing else. The id of the request is in the header X-Request-Id.
 */
export const problemSchema = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  code: z.enum(codes),
  detail: z.string(),
  retryable: z.boolean(),
  path: z.string().optional(),
  maxEvents: z.int().optional(),
  maxBytes: z.int().optional(),
  failure: z
    .string()
    .optional()
    .describe('With RESOLUTION_REFUSED: the code with which the event failed'),
});

export type Problem = z.infer<typeof problemSchema>;

export function toProblem(problem: RequestProblem): Problem {
  const { status, title, retryable } = requestProblems[problem.code];
  const { path, maxEvents, maxBytes, failure } = problem.members;
  return {
    type: 'about:blank',
    title,
    status,
    code: problem.code,
    detail: problem.message,
    retryable,
    ...(path !== undefined && { path }),
    ...(maxEvents !== undefined && { maxEvents }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(failure !== undefined && { failure }),
  };
}
