import { createHistory, type History } from '../tests/testkit/checker/history.ts';
import type { Stage } from './stage.ts';
import type { Settlement } from './settlements.ts';
import { createUser, type User } from './user.ts';

/** One tenant with its devices, and all that they asked for. */
export interface Tenant {
  readonly name: string;
  readonly history: History;
  readonly settlements: readonly Settlement[];
  readonly users: readonly User[];
}

const tenants = 4;
const devicesEach = 5;

export function settleTown({ nodes }: Stage, seed: number): readonly Tenant[] {
  return Array.from({ length: tenants }, (_, at) => {
    const name = `tenant-${at + 1}`;
    const history = createHistory();
    const settlements: Settlement[] = [];
    const users = Array.from({ length: devicesEach }, (_device, index) =>
      createUser({
        seed,
        tenant: name,
        name: `device-${at + 1}-${index + 1}`,
        isFirst: index === 0,
        nodes,
        history,
        settlements,
      }),
    );
    return { name, history, settlements, users };
  });
}
