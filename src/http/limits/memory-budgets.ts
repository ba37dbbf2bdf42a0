import { overloadedError, tenantBusyError } from '../../scheduling/refusals.ts';

export interface MemoryBudgetOptions {
  /** The maximum of bytes that all requests together may hold. */
  readonly maxBytes: number;
  /** The maximum of bytes that the requests of one tenant may hold. */
  readonly maxTenantBytes: number;
}

/** The part of the body budget that one request holds. */
export interface BodyShare {
  /** @throws RequestProblem TENANT_BUSY or OVERLOADED if the bytes exceed a maximum */
  take(bytes: number): void;
  /** Gives back all bytes of this share. The share accepts no more bytes after that. */
  release(): void;
}

/** Bounds the decompressed request bodies in memory. */
export interface BodyBudget {
  open(tenantId: string): BodyShare;
  /** Whether a body of this length would be refused for every tenant. */
  isFull(bytes: number): boolean;
}

/**
 * Bounds the answers that were passed to sockets and that clients have not received yet. An answer stays
 * in memory until then.
 */
export interface AnswerBudget {
  /**
   * @param tenantId undefined for requests without a token; they share one tenant's maximum
   * @throws RequestProblem TENANT_BUSY or OVERLOADED if a maximum is reached
   */
  admit(tenantId: string | undefined): void;
  /** Whether the next request would be refused for every tenant. */
  isFull(): boolean;
  /** The bytes that the tenant's next answer may have. Used when an answer must be sent after a commit. */
  remainingBytes(tenantId: string): number;
  /** @returns a function that gives the bytes back; call it when the connection has taken or lost the answer */
  hold(tenantId: string | undefined, bytes: number): () => void;
}

/**
 * The budget counts bytes when they arrive, and again when they are decompressed. It does not count the
 * announced length: a client could announce much, send nothing, and block other clients.
 */
export function createBodyBudget({ maxBytes, maxTenantBytes }: MemoryBudgetOptions): BodyBudget {
  const bytesInUse = new ByteCounter();
  return {
    open(tenantId) {
      let heldBytes = 0;
      let isOpen = true;
      return {
        take(bytes) {
          // The request was answered already, for instance after a timeout. Nobody would release these bytes.
          if (!isOpen) throw overloadedError();
          if (bytesInUse.ofTenant(tenantId) + bytes > maxTenantBytes) throw tenantBusyError();
          if (bytesInUse.total + bytes > maxBytes) throw overloadedError();
          heldBytes += bytes;
          bytesInUse.add(tenantId, bytes);
        },
        release() {
          isOpen = false;
          bytesInUse.add(tenantId, -heldBytes);
          heldBytes = 0;
        },
      };
    },
    isFull: (bytes) => bytesInUse.total + bytes > maxBytes,
  };
}

/**
 * The length of an answer is unknown before it exists. So requests that were admitted may exceed the
 * maximum with their answers; the budget then admits no further request.
 */
export function createAnswerBudget({
  maxBytes,
  maxTenantBytes,
}: MemoryBudgetOptions): AnswerBudget {
  const bytesInUse = new ByteCounter();
  return {
    admit(tenantId) {
      if (bytesInUse.ofTenant(tenantId) >= maxTenantBytes) {
        throw tenantId === undefined ? overloadedError() : tenantBusyError();
      }
      if (bytesInUse.total >= maxBytes) throw overloadedError();
    },
    isFull: () => bytesInUse.total >= maxBytes,
    remainingBytes: (tenantId) =>
      Math.max(
        Math.min(maxTenantBytes - bytesInUse.ofTenant(tenantId), maxBytes - bytesInUse.total),
        0,
      ),
    hold(tenantId, bytes) {
      bytesInUse.add(tenantId, bytes);
      return () => bytesInUse.add(tenantId, -bytes);
    },
  };
}

class ByteCounter {
  readonly #bytesByTenant = new Map<string | undefined, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  ofTenant(tenantId: string | undefined): number {
    return this.#bytesByTenant.get(tenantId) ?? 0;
  }

  /** @param bytes negative when bytes are given back */
  add(tenantId: string | undefined, bytes: number): void {
    this.#total += bytes;
    const tenantBytes = this.ofTenant(tenantId) + bytes;
    if (tenantBytes > 0) this.#bytesByTenant.set(tenantId, tenantBytes);
    else this.#bytesByTenant.delete(tenantId);
  }
}
