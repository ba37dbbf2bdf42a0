/**
 * The records that facts of the kinds in kinds/fact-kinds.ts result in, computed from all facts at once and
 * independent of the order of their arrival. It shares no code with the service.
 */

interface Fact {
  readonly id: string;
  readonly occurredAt: string | undefined;
  /** Whether the kind throws when it decides the fact for the first time. */
  readonly fails: boolean;
}

export interface PaymentFact extends Fact {
  readonly amount: number;
  readonly tag: string;
}

export interface WordFact extends Fact {
  readonly word: string;
  readonly sequence: number;
}

/** The tills' data, by id. */
export function expectedTills(facts: readonly PaymentFact[]): Map<string, object> {
  return foldedBy(facts, (own) => ({
    sum: own.map(({ amount }) => amount).reduce((left, right) => left + right, 0),
    count: own.length,
    greatest: Math.max(...own.map(({ amount }) => amount)),
    tags: ['a', 'b', 'c'].filter((tag) => own.some((fact) => fact.tag === tag)),
  }));
}

/** The tapes' data, by id. */
export function expectedTapes(facts: readonly WordFact[]): Map<string, object> {
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
