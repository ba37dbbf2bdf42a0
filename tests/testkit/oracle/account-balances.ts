export interface Transfer {
  readonly identityKey: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

export interface AccountBalances {
  readonly balances: ReadonlyMap<string, number>;
  /** The smallest balance that any account had at any time. */
  readonly lowest: number;
}

/**
 * Applies transfers in the order in which the service accepted them. It shares no code with the service.
 *
 * @param openings the first balances, by account
 */
export function balancesAfter(
  openings: ReadonlyMap<string, number>,
  accepted: readonly Transfer[],
): AccountBalances {
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
