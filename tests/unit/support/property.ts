import fc from 'fast-check';

/** A failed property prints its seed: run it again with SEED=<that number>. */
const { SEED: seed } = process.env;
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });

export { fc };
