import { type ProblemCode, RequestProblem } from '../domain/errors.ts';

/** The tenant's waiting requests reached the tenant's maximum. Other tenants are not refused. */
export function tenantBusyError(): RequestProblem {
  return new RequestProblem('TENANT_BUSY', undefined, { retryAfter: jitteredSeconds() });
}

/** The waiting requests of all tenants reached the maximum of the process. */
export function overloadedError(): RequestProblem {
  return new RequestProblem('OVERLOADED', undefined, { retryAfter: jitteredSeconds() });
}

/** One batch alone exceeds the work of a transaction, so a retry of the same batch would fail too. */
export function batchTooLargeError(events: number, cause: unknown): RequestProblem {
  const maxEvents = Math.max(Math.floor(events / 2), 1);
  const detail = `${events} events are too much work for one transaction`;
  return new RequestProblem('BATCH_TOO_LARGE', detail, { maxEvents }, cause);
}

/** Whether a refusal is due to load. Such a refusal is no failure of the service. */
export function isCapacityProblem(code: ProblemCode | undefined): boolean {
  return code === 'TENANT_BUSY' || code === 'OVERLOADED';
}

/** Spreads the retries of requests that were refused at the same time. */
function jitteredSeconds(): number {
  return 1 + Math.floor(Math.random() * 4);
}
