import { type ProblemCode, RequestProblem } from '../errors.ts';

/** One tenant has as much under way as it may; nobody else is refused for it. */
export function tenantBusy(): RequestProblem {
  return new RequestProblem('TENANT_BUSY', undefined, { retryAfter: jitteredSeconds() });
}

/** The whole process has as much under way as it may. */
export function overloaded(): RequestProblem {
  return new RequestProblem('OVERLOADED', undefined, { retryAfter: jitteredSeconds() });
}

/** Nothing failed: there was more to do than there is room for. */
export function isForLackOfRoom(code: ProblemCode | undefined): boolean {
  return code === 'TENANT_BUSY' || code === 'OVERLOADED';
}

/** Apart from each other, so that those refused together do not come back together. */
function jitteredSeconds(): number {
  return 1 + Math.floor(Math.random() * 4);
}
