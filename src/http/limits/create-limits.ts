import type { Config } from '../../config/config.ts';
import {
  type AnswerBudget,
  type BodyBudget,
  createAnswerBudget,
  createBodyBudget,
} from './memory-budgets.ts';
import { createReadLimiter, type ReadLimiter } from './read-limiter.ts';

/** Bodies of the maximum size that all requests together, and those of one tenant, may hold in memory. */
const maxBodies = 8;
const maxTenantBodies = 4;
/** Answers of the maximum size that may wait for all clients together, and for those of one tenant. */
const maxAnswers = 32;
const maxTenantAnswers = 8;

/** What bounds the memory and the database connections that requests take. */
export interface Limits {
  readonly bodies: BodyBudget;
  readonly answers: AnswerBudget;
  readonly reads: ReadLimiter;
}

export function createLimits({
  limits: { maxBodyBytes, maxAnswerBytes },
  reads,
  maxGroupTenants,
}: Pick<Config, 'limits' | 'reads' | 'maxGroupTenants'>): Limits {
  const answers = createAnswerBudget({
    maxBytes: maxAnswers * maxAnswerBytes,
    maxTenantBytes: maxTenantAnswers * maxAnswerBytes,
  });
  return {
    bodies: createBodyBudget({
      maxBytes: maxBodies * maxBodyBytes,
      maxTenantBytes: maxTenantBodies * maxBodyBytes,
    }),
    answers,
    reads: createReadLimiter({
      ...reads,
      maxGroupTenants,
      admitAnswer: (tenantId) => answers.admit(tenantId),
    }),
  };
}
