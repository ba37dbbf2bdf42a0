/** `either`: also those that failed again. */
export type QuarantineState = 'suspected' | 'either';

/**
 * Tenants that share no group with others: suspected, since a group with them failed, or guilty, since
 * they failed alone. As many as there are tenants whose last batch failed.
 */
export class TenantQuarantine {
  readonly #isGuilty = new Map<string, boolean>();

  has(tenantId: string): boolean {
    return this.#isGuilty.has(tenantId);
  }

  quarantine(tenantId: string): void {
    if (!this.has(tenantId)) this.#isGuilty.set(tenantId, false);
  }

  /** It failed alone. It goes to the end, so that the guilty take turns. */
  keepQuarantined(tenantId: string): void {
    if (this.#isGuilty.delete(tenantId)) this.#isGuilty.set(tenantId, true);
  }

  release(tenantId: string): void {
    this.#isGuilty.delete(tenantId);
  }

  next(among: QuarantineState, canGo: (tenantId: string) => boolean): string | undefined {
    for (const [tenantId, isGuilty] of this.#isGuilty) {
      if (!(isGuilty && among === 'suspected') && canGo(tenantId)) return tenantId;
    }
    return undefined;
  }
}
