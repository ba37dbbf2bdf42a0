import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';

export interface AnswerBudgetOptions {
  /** Bytes of answers that are handed to sockets, and not taken yet, from which on no more is begun. */
  readonly maxBytes: number;
  /** Of those, for the answers of one tenant. */
  readonly maxTenantBytes: number;
}

/** What is on its way to clients: it is in memory until they, or their networks, have taken it. */
export interface AnswerBudget {
  /**
   * @param tenantId undefined for whoever is not known: all of them share one part
   * @throws RequestProblem TENANT_BUSY or OVERLOADED where as much is on its way as may be
   */
  admit(tenantId: string | undefined): void;
  /** Whether the next request would be refused, whoever sends it. */
  isFull(): boolean;
  /** Bytes that may still be handed to the tenant: what has been committed has to be answered. */
  remainingBytes(tenantId: string): number;
  /** @returns what gives them back, once they are taken or nobody takes them any more */
  hold(tenantId: string | undefined, bytes: number): () => void;
}

/**
 * Bounds the answers in memory. How long an answer will be is not known before it is there, so each that
 * was begun may go beyond the bound; nothing more is begun then.
 */
export function createAnswerBudget(options: AnswerBudgetOptions): AnswerBudget {
  const { maxBytes, maxTenantBytes } = options;
  const ofTenants = new Map<string | undefined, number>();
  let total = 0;

  function change(tenantId: string | undefined, bytes: number): void {
    total += bytes;
    const left = (ofTenants.get(tenantId) ?? 0) + bytes;
    if (left > 0) ofTenants.set(tenantId, left);
    else ofTenants.delete(tenantId);
  }

  return {
    admit(tenantId) {
      if ((ofTenants.get(tenantId) ?? 0) >= maxTenantBytes) {
        throw tenantId === undefined ? overloadedError() : tenantBusyError();
      }
      if (total >= maxBytes) throw overloadedError();
    },
    isFull: () => total >= maxBytes,
    remainingBytes: (tenantId) =>
      Math.max(Math.min(maxTenantBytes - (ofTenants.get(tenantId) ?? 0), maxBytes - total), 0),
    hold(tenantId, bytes) {
      change(tenantId, bytes);
      return () => change(tenantId, -bytes);
    },
  };
}
