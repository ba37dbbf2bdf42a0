import { defences } from './defences.ts';
import { growth } from './growth.ts';
import { hotTenant } from './hot-tenant.ts';
import { idlePoll } from './idle-poll.ts';
import { largeTenant } from './large-tenant.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { neighbour } from './neighbour.ts';
import { overloadScenario } from './overload.ts';
import { pull1000 } from './pull-1000.ts';
import { push1 } from './push-1.ts';
import { push50 } from './push-50.ts';
import { replay } from './replay.ts';
import type { Scenario } from './scenario.ts';

/** In the order in which they run and are told of. */
export const scenarios: readonly Scenario[] = [
  push50,
  push1,
  hotTenant,
  replay,
  growth,
  largeTenant,
  pull1000,
  idlePoll,
  latency,
  memory,
  overloadScenario,
  neighbour,
  defences,
];
