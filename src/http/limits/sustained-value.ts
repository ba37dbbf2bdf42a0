/** A measure that counts once it has lasted. */
export interface SustainedValue {
  sample(measured: number): void;
  /** The lesser of the last two samples: a pause is over when it is seen, an overload is still there. */
  value(): number;
}

export function createSustainedValue(): SustainedValue {
  let [lasting, last] = [0, 0];
  return {
    sample(measured) {
      lasting = Math.min(last, measured);
      last = measured;
    },
    value: () => lasting,
  };
}
