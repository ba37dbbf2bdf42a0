import pg from 'pg';
import { RequestProblem } from '../../domain/errors.ts';

/** SQLSTATEs after which the same transaction may succeed, and the maximum of its attempts. */
const transient = new Map([
  ['40001', 4], // serialization_failure
  ['40P01', 4], // deadlock_detected
  ['55P03', 2], // lock_not_available: lock_timeout, so each attempt has waited already
  ['57014', 2], // query_canceled: statement_timeout, so each attempt has waited already
]);

/** SQLSTATE classes of the server's own trouble. The statement is not the cause. */
const serverErrorClasses = new Set([
  '08', // connection exception
  '25', // invalid transaction state: ended by a timeout
  '28', // invalid authorization: the role or its password changed
  '3D', // no such database
  '55', // not in a prerequisite state: the database takes no connections
  '53', // insufficient resources: disk full, too many connections
  '57', // operator intervention: shutdown, crash, canceled
  '58', // system error
]);

export function isTransient(error: unknown): boolean {
  return maxAttempts(error) > 1;
}

/** The maximum of attempts for a transaction that failed with this error; 1 where a retry is of no use. */
export function maxAttempts(error: unknown): number {
  return (error instanceof pg.DatabaseError && transient.get(error.code ?? '')) || 1;
}

/**
 * UNAVAILABLE for what a later request may not meet again: trouble of the server, and errors of the connection,
 * which pg reports as plain Errors. Any other error is a defect of this service and is returned as it is.
 */
export function toStoreError(error: unknown): unknown {
  if (error instanceof RequestProblem) return error;
  const isTemporary =
    error instanceof pg.DatabaseError ? isServerError(error.code ?? '') : isConnectionError(error);
  return isTemporary ? unavailable(error) : error;
}

/** Whether an SQLSTATE reports trouble of the server, and not of the statement. */
export function isServerError(sqlState: string): boolean {
  return transient.has(sqlState) || serverErrorClasses.has(sqlState.slice(0, 2));
}

export function unavailable(cause: unknown): RequestProblem {
  return new RequestProblem('UNAVAILABLE', undefined, { retryAfter: 1 }, cause);
}

const connectionMessages =
  /^(Connection terminated|Client has encountered|Query read timeout|timeout exceeded|timeout expired|Client was closed|Cannot use a pool after)/;

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return 'syscall' in error || connectionMessages.test(error.message);
}
