export interface EffectiveTime {
  /** Microseconds since 1970; never later than the receipt. */
  readonly effectiveAt: number;
  /** The client claimed a time in the future, so the receipt counts instead. */
  readonly clockAdjusted: boolean;
}

/**
 * When an event happened, on the server's clock. A client's clock may be wrong by years; how long
 * ago it says the event was, counted from `sentAt` on the same clock, is still right.
 */
export function toEffectiveTime(
  occurredAt: number | null,
  sentAt: number | null,
  receivedAt: number,
): EffectiveTime {
  if (occurredAt === null) return { effectiveAt: receivedAt, clockAdjusted: false };
  const corrected = sentAt === null ? occurredAt : receivedAt - (sentAt - occurredAt);
  if (corrected > receivedAt) return { effectiveAt: receivedAt, clockAdjusted: true };
  return { effectiveAt: corrected, clockAdjusted: false };
}
