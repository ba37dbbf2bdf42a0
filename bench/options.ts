import { type Command, UsageError, type Values } from '../src/cli/command.ts';
import { scenarios } from './scenarios/list.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { type Sizes, sizes } from './sizes.ts';

export interface BenchOptions {
  readonly sizes: Sizes;
  readonly scenarios: readonly Scenario[];
  readonly json: boolean;
  readonly withPeers: boolean;
  readonly profileFolder: string | undefined;
}

const usage = `usage: npm run --silent bench -- [--quick] [--json] [--only NAME[,NAME]] [--without-peers] [--profile FOLDER]
NAME: ${scenarios.map(({ name }) => name).join(', ')}`;

export const benchCommand = {
  usage,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    'without-peers': { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
} as const satisfies Command;

/** @throws UsageError */
export function readBenchOptions(
  values: Values<typeof benchCommand.options>,
  env: NodeJS.ProcessEnv,
): BenchOptions {
  // The project's own smoke test.
  const smoke = env.BENCH_SIZES === 'smoke';
  return {
    sizes: smoke ? sizes.smoke : values.quick ? sizes.quick : sizes.full,
    scenarios: values.only ? choose(values.only.flatMap((list) => list.split(','))) : scenarios,
    json: values.json,
    withPeers: !values['without-peers'],
    profileFolder: values.profile,
  };
}

function choose(names: readonly string[]): readonly Scenario[] {
  for (const name of names) {
    if (!scenarios.some((scenario) => scenario.name === name)) {
      throw new UsageError(`there is no scenario ${name}`);
    }
  }
  return scenarios.filter(({ name }) => names.includes(name));
}
