/**
 * What transfers between accounts come to, in the order in which they were accepted. It shares no
 * code with the service.
 */

export interface Transfer {
  readonly identityKey: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

export interface Ledger {
  readonly balances: ReadonlyMap<string, number>;
  /** The least that any account held at any time. */
  readonly lowest: number;
}

export function ledgerOf(
  openings: ReadonlyMap<string, number>,
  accepted: readonly Transfer[],
): Ledger {
  const balances = new Map(openings);
  let lowest = Math.min(...openings.values());
  const move = (id: string, amount: number) => {
    const balance = (balances.get(id) ?? Number.NaN) + amount;
    balances.set(id, balance);
    lowest = Math.min(lowest, balance);
  };
  for (const { from, to, amount } of accepted) {
    move(from, -amount);
    move(to, amount);
  }
  return { balances, lowest };
}
