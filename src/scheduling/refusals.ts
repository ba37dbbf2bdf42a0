import { type ProblemCode, RequestProblem } from '../domain/errors.ts';

/** One tenant has as much under way as it may; nobody else is refused for it. */
export function tenantBusyError(): RequestProblem {
  return new RequestProblem('TENANT_BUSY', undefined, { retryAfter: jitteredSeconds() });
}

/** The whole process has as much under way as it may. */
export function overloadedError(): RequestProblem {
  return new RequestProblem('OVERLOADED', undefined, { retryAfter: jitteredSeconds() });
}

/** A batch alone is more work than a transaction may be: the same again would end in the same way. */
export function batchTooLargeError(events: number, cause: unknown): RequestProblem {
  const maxEvents = Math.max(Math.floor(events / 2), 1);
  const detail = `${events} events are too much work for one transaction`;
  return new RequestProblem('BATCH_TOO_LARGE', detail, { maxEvents }, cause);
}

/** Nothing failed: there was more to do than there is room for. */
export function isCapacityProblem(code: ProblemCode | undefined): boolean {
  return code === 'TENANT_BUSY' || code === 'OVERLOADED';
}

/** Apart from each other, so that those refused together do not come back together. */
function jitteredSeconds(): number {
  return 1 + Math.floor(Math.random() * 4);
}
