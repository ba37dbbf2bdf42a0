import { describe, expect, test } from 'vitest';
import {
  eventFailures,
  type ProblemCode,
  RequestProblem,
  requestProblems,
} from '../../src/domain/errors.ts';
import { problemSchema, toProblem } from '../../src/protocol/problem.ts';

interface Entry {
  readonly cause: string;
  readonly remedy: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}
const failures: readonly (readonly [string, Entry])[] = Object.entries(eventFailures);
const problems = Object.entries(requestProblems) as [
  ProblemCode,
  (typeof requestProblems)[ProblemCode],
][];

/** Codes that clients are written against: they may grow, but none may go. */
const promisedFailures =
  `INVALID_EVENT INVALID_PAYLOAD UNKNOWN_KIND UNSUPPORTED_VERSION INVALID_TEXT
  INVALID_NUMBER INVALID_TIMESTAMP EVENT_TOO_LARGE EVENT_TOO_OLD NOT_FOUND IDENTITY_KEY_REUSED
  CONFLICT BLOCKED SEQUENCE_GAP SEQUENCE_CONFLICT BATCH_ABORTED NOT_OWNER`.split(/\s+/);
const promisedProblems = `AUTH_REQUIRED TOKEN_INVALID TENANT_REQUIRED FORBIDDEN INVALID_JSON
  INVALID_UTF8 TOO_DEEP INVALID_ENVELOPE EMPTY_BATCH BATCH_TOO_LARGE BODY_TOO_LARGE
  UNSUPPORTED_MEDIA_TYPE UNSUPPORTED_ENCODING INVALID_BODY RATE_LIMITED TENANT_BUSY OVERLOADED
  COMMIT_UNKNOWN INVALID_CHECKPOINT CHECKPOINT_EXPIRED INVALID_QUERY NOT_FOUND METHOD_NOT_ALLOWED
  INTERNAL`.split(/\s+/);

describe('the closed table', () => {
  test('contains every code of the protocol', () => {
    expect(Object.keys(eventFailures)).toEqual(expect.arrayContaining(promisedFailures));
    expect(Object.keys(requestProblems)).toEqual(expect.arrayContaining(promisedProblems));
  });

  test.each([...failures, ...problems])('has a cause and a remedy for %s', (code, entry) => {
    expect(code).toMatch(/^[A-Z][A-Z0-9_]*[A-Z0-9]$/);
    for (const text of [entry.cause, entry.remedy]) expect(text).toMatch(/^\S.{10,}\S\.$/);
  });

  test('has a time to wait only for codes that waiting helps', () => {
    const waits = failures.filter(([, { retryAfterMs }]) => retryAfterMs !== undefined);
    expect(waits).not.toEqual([]);
    for (const [, { retryable, retryAfterMs }] of waits) {
      expect(retryable).toBe(true);
      expect(retryAfterMs).toBeGreaterThan(0);
    }
  });

  test('marks as retryable the codes that can end by themselves or that the operator can end, and no others', () => {
    const retryable = failures.filter(([, entry]) => entry.retryable).map(([code]) => code);
    const servers = ['KIND_FAILED', 'UNKNOWN_KIND', 'UNSUPPORTED_VERSION'];
    const mends = ['BATCH_ABORTED', 'BLOCKED', 'NOT_FOUND', 'SEQUENCE_GAP', ...servers];
    expect(retryable.toSorted()).toEqual(mends.toSorted());
    const faulty = failures.filter(([, entry]) => 'fault' in entry).map(([code]) => code);
    expect(faulty.toSorted()).toEqual(servers);
  });

  test.each(problems)('%s has a status that fits its retryability', (_code, entry) => {
    const { status, retryable, title } = entry;
    expect(status === 408 || status === 429 || status >= 500).toBe(retryable);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).not.toBe('');
  });

  test('uses 401 for tokens and 403 for permissions, so that clients keep their queue', () => {
    const ofStatus = (wanted: number) =>
      problems.filter(([, { status }]) => status === wanted).map(([code]) => code);
    expect(ofStatus(401)).toEqual(['AUTH_REQUIRED', 'TOKEN_INVALID']);
    expect(ofStatus(403)).toEqual(['TENANT_REQUIRED', 'FORBIDDEN']);
    expect(ofStatus(410)).toEqual(['CHECKPOINT_EXPIRED']);
    expect(ofStatus(500)).toEqual(['INTERNAL']);
  });

  test('is the list in the schemas of the protocol', () => {
    expect(problemSchema.shape.code.options).toEqual(Object.keys(requestProblems));
  });
});

describe('a problem', () => {
  test.each(problems)('%s is answered with its entry in the table', (code, entry) => {
    const problem = toProblem(new RequestProblem(code));
    expect(problem).toEqual({
      type: 'about:blank',
      title: entry.title,
      status: entry.status,
      code,
      detail: entry.cause,
      retryable: entry.retryable,
    });
    expect(problemSchema.parse(problem)).toEqual(problem);
  });

  test('can describe one request in detail, but never why the server failed', () => {
    const cause = new Error('password authentication failed');
    const members = { maxEvents: 500, path: 'events', retryAfter: 3, allow: ['GET'] };
    const problem = new RequestProblem('BATCH_TOO_LARGE', '501 events', members, cause);
    expect(problem.cause).toBe(cause);
    const answer = toProblem(problem);
    expect(answer).toMatchObject({ detail: '501 events', maxEvents: 500, path: 'events' });
    expect(Object.keys(answer)).not.toContain('cause');
    expect(Object.keys(answer)).not.toContain('retryAfter');
    expect(Object.keys(answer)).not.toContain('allow');
    expect(JSON.stringify(answer)).not.toContain('password');
  });
});
