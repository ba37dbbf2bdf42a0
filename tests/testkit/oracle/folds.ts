/**
 * What a set of facts comes to, written down as a definition: from all of them at once, whatever
 * the order they came in. It shares no code with the service.
 */

interface Fact {
  readonly id: string;
  readonly occurredAt: string | undefined;
  /** Its kind throws on it the first time. */
  readonly fails: boolean;
}

export interface Paid extends Fact {
  readonly amount: number;
  readonly tag: string;
}

export interface Said extends Fact {
  readonly word: string;
  readonly sequence: number;
}

/** By the till's id. */
export function tillsOf(facts: readonly Paid[]): Map<string, object> {
  return foldedBy(facts, (own) => ({
    sum: own.map(({ amount }) => amount).reduce((left, right) => left + right, 0),
    count: own.length,
    greatest: Math.max(...own.map(({ amount }) => amount)),
    tags: ['a', 'b', 'c'].filter((tag) => own.some((fact) => fact.tag === tag)),
  }));
}

/** By the tape's id. */
export function tapesOf(facts: readonly Said[]): Map<string, object> {
  return foldedBy(facts, (own) => ({
    words: Array.from(
      own,
      (_fact, index) => own.find(({ sequence }) => sequence === index + 1)?.word,
    ),
  }));
}

function foldedBy<Some extends Fact>(
  facts: readonly Some[],
  fold: (own: readonly Some[]) => object,
): Map<string, object> {
  return new Map([...Map.groupBy(facts, ({ id }) => id)].map(([id, own]) => [id, fold(own)]));
}
