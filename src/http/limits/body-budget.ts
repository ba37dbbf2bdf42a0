import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';

export interface BodyBudgetOptions {
  /** Bytes of bodies, decompressed, that all requests under way may hold. */
  readonly maxBytes: number;
  /** Of those, what the requests of one tenant may hold. */
  readonly maxTenantBytes: number;
}

/** What one request holds of the budget. */
export interface BodyShare {
  /** @throws RequestProblem TENANT_BUSY or OVERLOADED where there is no room for the bytes */
  take(bytes: number): void;
  /** Gives back all that was taken, and takes no more. */
  release(): void;
}

export interface BodyBudget {
  open(tenantId: string): BodyShare;
  /** Whether a body of this length would be refused, whoever sends it. */
  isFull(bytes: number): boolean;
}

/**
 * Bounds the bodies in memory. Counted as they arrive and once decompressed: what a request announces
 * costs nothing yet, and would let whoever announces much keep others out.
 */
export function createBodyBudget({ maxBytes, maxTenantBytes }: BodyBudgetOptions): BodyBudget {
  const ofTenants = new Map<string, number>();
  let total = 0;

  function change(tenantId: string, bytes: number): void {
    total += bytes;
    const left = (ofTenants.get(tenantId) ?? 0) + bytes;
    if (left > 0) ofTenants.set(tenantId, left);
    else ofTenants.delete(tenantId);
  }

  return {
    open(tenantId) {
      let held = 0;
      let isOpen = true;
      return {
        take(bytes) {
          // Answered already, as after a timeout: nobody would give back what comes now.
          if (!isOpen) throw overloadedError();
          if ((ofTenants.get(tenantId) ?? 0) + bytes > maxTenantBytes) throw tenantBusyError();
          if (total + bytes > maxBytes) throw overloadedError();
          held += bytes;
          change(tenantId, bytes);
        },
        release() {
          isOpen = false;
          change(tenantId, -held);
          held = 0;
        },
      };
    },
    isFull: (bytes) => total + bytes > maxBytes,
  };
}
