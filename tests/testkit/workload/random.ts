/** A stream of random choices, which the seed and the name determine. */
export interface Random {
  /** From 0 to below 1. */
  fraction(): number;
  /** From `least` to `most`, both included. */
  int(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  shuffled<Item>(items: readonly Item[]): Item[];
}

/** @param name makes the streams of one seed independent of each other */
export function createRandom(seed: number, name: string): Random {
  let state = Buffer.from(name).reduce((hash, byte) => mix(hash ^ byte), mix(seed));
  const fraction = () => {
    state = (state + 0x9e_37_79_b9) | 0;
    return mix(state) / 2 ** 32;
  };
  const int = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1));
  return {
    fraction,
    int,
    chance: (probability) => fraction() < probability,
    pick(items) {
      const item = items[int(0, items.length - 1)];
      if (item === undefined) throw new Error('there is nothing to pick from');
      return item;
    },
    shuffled: (items) =>
      items
        .map((item) => [fraction(), item] as const)
        .sort(([left], [right]) => left - right)
        .map(([, item]) => item),
  };
}

/** The mixing function of splitmix32: each bit of the input changes about half of the bits of the output. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21_f0_aa_ad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x73_5a_2d_97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
