import { createHistory, type History } from '../tests/testkit/checker/history.ts';
import type { ConflictResolution } from './conflict-resolutions.ts';
import type { Deployment } from './deployment.ts';
import { createSimulatedUser, type SimulatedUser } from './simulated-user.ts';

/** One tenant with its users, their pushes, and their attempts to resolve conflicts. */
export interface SoakTenant {
  readonly name: string;
  readonly history: History;
  readonly resolutions: readonly ConflictResolution[];
  readonly users: readonly SimulatedUser[];
}

const tenantCount = 4;
const devicesPerTenant = 5;

export function createSoakTenants({ nodes }: Deployment, seed: number): readonly SoakTenant[] {
  return Array.from({ length: tenantCount }, (_, tenantIndex) => {
    const name = `tenant-${tenantIndex + 1}`;
    const history = createHistory();
    const resolutions: ConflictResolution[] = [];
    const users = Array.from({ length: devicesPerTenant }, (_device, index) =>
      createSimulatedUser({
        seed,
        tenant: name,
        name: `device-${tenantIndex + 1}-${index + 1}`,
        isFirst: index === 0,
        nodes,
        history,
        resolutions,
      }),
    );
    return { name, history, resolutions, users };
  });
}
