/** A measure that counts once it has lasted. */
export interface Lasting {
  /** Adds a sample; the same number again is taken for the same sample, read twice. */
  sample(measured: number): void;
  /** The lesser of the last two samples: a pause is over when it is seen, an overload is still there. */
  value(): number;
}

export function createLasting(): Lasting {
  let [lasting, last] = [0, 0];
  return {
    sample(measured) {
      if (measured === last) return;
      lasting = Math.min(last, measured);
      last = measured;
    },
    value: () => lasting,
  };
}
